"""CloudFormation resource types that the local cloud adds to the emulator's."""

from __future__ import annotations

from typing import Any

from earshot.local.emulator import Emulator, ResourceType
from earshot.local.sagemaker.faults import SageMakerError
from earshot.local.sagemaker.service import SageMaker


def add_resource_types(emulator: Emulator, sagemaker: SageMaker) -> None:
    """Teach CloudFormation what templates may ask of SageMaker."""
    emulator.add_resource_type("AWS::SageMaker::ModelPackageGroup", _model_package_group(sagemaker))


def _model_package_group(sagemaker: SageMaker) -> ResourceType:
    def request(properties: dict[str, Any]) -> dict[str, Any]:
        allowed = ("ModelPackageGroupName", "ModelPackageGroupDescription", "Tags")
        return {key: properties[key] for key in allowed if key in properties}

    def attributes(name: str) -> dict[str, Any]:
        group = sagemaker.call("DescribeModelPackageGroup", {"ModelPackageGroupName": name})
        return {
            "ModelPackageGroupArn": group["ModelPackageGroupArn"],
            "ModelPackageGroupStatus": group["ModelPackageGroupStatus"],
            "CreationTime": str(group["CreationTime"]),
        }

    def create(_logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
        try:
            arn = sagemaker.call("CreateModelPackageGroup", request(properties))["ModelPackageGroupArn"]
        except SageMakerError as fault:
            raise ValueError(str(fault)) from None
        return arn, attributes(properties["ModelPackageGroupName"])

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str = ""
    ) -> tuple[str, dict[str, Any]]:
        if old.get("ModelPackageGroupName") != new.get("ModelPackageGroupName"):
            return create(logical_id, new, stack)
        tags = new.get("Tags") or []
        if tags:
            sagemaker.call("AddTags", {"ResourceArn": physical_id, "Tags": tags})
        return physical_id, attributes(new["ModelPackageGroupName"])

    def delete(physical_id: str, properties: dict[str, Any]) -> None:
        name = properties.get("ModelPackageGroupName") or physical_id
        try:
            sagemaker.call("DeleteModelPackageGroup", {"ModelPackageGroupName": name})
        except SageMakerError as fault:
            if "does not exist" not in str(fault):
                raise ValueError(str(fault)) from None

    return ResourceType(create, update, delete)
