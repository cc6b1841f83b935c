"""Model packages and their groups: versions of one model, each approved, rejected or waiting."""

from __future__ import annotations

import copy
from typing import Any

from earshot.local.account import ACCOUNT_ID, REGION, sagemaker_arn
from earshot.local.sagemaker.events import package_detail
from earshot.local.sagemaker.faults import Conflict, ValidationError
from earshot.local.sagemaker.listing import page, summary
from earshot.local.sagemaker.plane import Plane

EVENT = "SageMaker Model Package State Change"
_GROUP_SUMMARY = [
    "ModelPackageGroupName",
    "ModelPackageGroupArn",
    "ModelPackageGroupDescription",
    "CreationTime",
    "ModelPackageGroupStatus",
]
_PACKAGE_SUMMARY = [
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
]
_BATCH_SUMMARY = [
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelApprovalStatus",
]
_CREATOR = {"IamIdentity": {"Arn": f"arn:aws:iam::{ACCOUNT_ID}:root", "PrincipalId": ACCOUNT_ID}}


class ModelPackages:
    """The account's model packages, by ARN, and their groups, by name."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._groups: dict[str, dict[str, Any]] = {}
        self._packages: dict[str, dict[str, Any]] = {}
        self._last_version: dict[str, int] = {}
        self._by_token: dict[str, tuple[dict[str, Any], str]] = {}

    # -- groups -------------------------------------------------------------------------------------------------

    def create_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateModelPackageGroup."""
        name = request["ModelPackageGroupName"]
        arn = sagemaker_arn("model-package-group", name)
        group = {key: value for key, value in request.items() if key != "Tags"}
        group |= {
            "ModelPackageGroupArn": arn,
            "CreationTime": self._plane.now(),
            "CreatedBy": copy.deepcopy(_CREATOR),
            "ModelPackageGroupStatus": "Completed",
        }
        with self._plane.lock:
            if name in self._groups:
                raise ValidationError(f"Model Package Group already exists: {arn}")
            self._plane.tags.create(arn, request.get("Tags"))
            self._groups[name] = group
        return {"ModelPackageGroupArn": arn}

    def describe_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeModelPackageGroup."""
        with self._plane.lock:
            return copy.deepcopy(self._group(request["ModelPackageGroupName"]))

    def list_groups(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListModelPackageGroups; no other account shares any with this one."""
        others = request.get("CrossAccountFilterOption") == "CrossAccount"
        with self._plane.lock:
            chosen, more = page([] if others else self._groups.values(), request, name="ModelPackageGroupName")
            return {"ModelPackageGroupSummaryList": [summary(group, _GROUP_SUMMARY) for group in chosen], **more}

    def delete_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteModelPackageGroup; an empty one only."""
        with self._plane.lock:
            group = self._group(request["ModelPackageGroupName"])
            name = group["ModelPackageGroupName"]
            if any(package.get("ModelPackageGroupName") == name for package in self._packages.values()):
                raise Conflict(
                    f"Cannot delete model package group {group['ModelPackageGroupArn']}: it contains model packages; "
                    "delete them first"
                )
            del self._groups[name]
            self._last_version.pop(name, None)
            self._plane.tags.forget(group["ModelPackageGroupArn"])
        return {}

    # -- packages -----------------------------------------------------------------------------------------------

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateModelPackage: a version of a group, or a package with a name of its own."""
        group, name = request.get("ModelPackageGroupName"), request.get("ModelPackageName")
        if (group is None) == (name is None):
            raise ValidationError("Give either ModelPackageGroupName or ModelPackageName")
        self._check_data(request)
        token = request.get("ClientToken")
        with self._plane.lock:
            if token in self._by_token:
                earlier, arn = self._by_token[token]
                if earlier != request:
                    raise Conflict(f"ClientToken {token} was used for another request")
                return {"ModelPackageArn": arn}
            package = self._versioned(request) if group is not None else self._named(request)
            arn = package["ModelPackageArn"]
            self._plane.tags.create(arn, request.get("Tags"))
            self._packages[arn] = package
            if token is not None:
                self._by_token[token] = (copy.deepcopy(request), arn)
            self._announce(package)
        return {"ModelPackageArn": arn}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeModelPackage, by ARN or, where it has one, by name."""
        with self._plane.lock:
            return copy.deepcopy(self._existing(request["ModelPackageName"]))

    def batch_describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """BatchDescribeModelPackage."""
        found: dict[str, Any] = {}
        missing: dict[str, Any] = {}
        with self._plane.lock:
            for arn in request["ModelPackageArnList"]:
                try:
                    found[arn] = summary(copy.deepcopy(self._existing(arn)), _BATCH_SUMMARY)
                except ValidationError as error:
                    missing[arn] = {"ErrorCode": error.code, "ErrorResponse": str(error)}
        return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": missing}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListModelPackages: a group's versions, or packages with names."""
        group = request.get("ModelPackageGroupName")
        approval = request.get("ModelApprovalStatus")
        kind = request.get("ModelPackageType", "Versioned" if group is not None else "Unversioned")

        def keep(package: dict[str, Any]) -> bool:
            versioned = "ModelPackageVersion" in package
            of_kind = kind == "Both" or versioned == (kind == "Versioned")
            in_group = group is None or package.get("ModelPackageGroupName") == group_name
            return of_kind and in_group and approval in {None, package.get("ModelApprovalStatus")}

        with self._plane.lock:
            group_name = self._group(group)["ModelPackageGroupName"] if group is not None else None
            packages = [{**package, "_Name": _sort_name(package)} for package in self._packages.values()]
            chosen, more = page(packages, request, name="_Name", keep=keep)
            return {"ModelPackageSummaryList": [summary(package, _PACKAGE_SUMMARY) for package in chosen], **more}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateModelPackage: approval, description, metadata."""
        changed: dict[str, Any] = {
            key: copy.deepcopy(request[key])
            for key in (
                "ModelApprovalStatus",
                "ApprovalDescription",
                "InferenceSpecification",
                "SourceUri",
                "ModelCard",
            )
            if key in request
        }
        with self._plane.lock:
            package = self._existing(request["ModelPackageArn"])
            if "ModelApprovalStatus" in changed and "ModelPackageVersion" not in package:
                raise ValidationError("ModelApprovalStatus is for versions of a model package group only")
            metadata = {
                **package.get("CustomerMetadataProperties", {}),
                **request.get("CustomerMetadataProperties", {}),
            }
            for key in request.get("CustomerMetadataPropertiesToRemove", []):
                metadata.pop(key, None)
            if "CustomerMetadataProperties" in request or "CustomerMetadataPropertiesToRemove" in request:
                changed["CustomerMetadataProperties"] = metadata
            package.update(changed, LastModifiedTime=self._plane.now(), LastModifiedBy=copy.deepcopy(_CREATOR))
            self._announce(package, changed)
            return {"ModelPackageArn": package["ModelPackageArn"]}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteModelPackage."""
        with self._plane.lock:
            package = self._existing(request["ModelPackageName"])
            del self._packages[package["ModelPackageArn"]]
            self._plane.tags.forget(package["ModelPackageArn"])
        return {}

    def serving_container(self, name: str) -> dict[str, Any]:
        """Give the container with which a package is served.

        Raises:
            ValidationError: no such package, or it is not approved or says no container.
        """
        with self._plane.lock:
            package = self._existing(name)
            if "ModelPackageVersion" in package and package["ModelApprovalStatus"] != "Approved":
                raise ValidationError(
                    f"Model package {package['ModelPackageArn']} is {package['ModelApprovalStatus']}; only an approved "
                    "one can be deployed"
                )
            containers = package.get("InferenceSpecification", {}).get("Containers", [])
            if not containers:
                raise ValidationError(f"Model package {package['ModelPackageArn']} has no InferenceSpecification")
            container: dict[str, Any] = copy.deepcopy(containers[0])
            return container

    def _check_data(self, request: dict[str, Any]) -> None:
        for container in (request.get("InferenceSpecification") or {}).get("Containers", []):
            uri = container.get("ModelDataUrl")
            if uri is not None and not self._plane.workshop.storage.exists(uri):
                raise ValidationError(f"Could not find model data at {uri}.")

    def _versioned(self, request: dict[str, Any]) -> dict[str, Any]:
        group = self._group(request["ModelPackageGroupName"])["ModelPackageGroupName"]
        version = self._last_version[group] = self._last_version.get(group, 0) + 1
        package = self._described(request, f"{group}/{version}")
        package |= {"ModelPackageGroupName": group, "ModelPackageVersion": version}
        package.setdefault("ModelApprovalStatus", "PendingManualApproval")
        return package

    def _named(self, request: dict[str, Any]) -> dict[str, Any]:
        if "ModelApprovalStatus" in request:
            raise ValidationError("ModelApprovalStatus is for versions of a model package group only")
        package = self._described(request, request["ModelPackageName"])
        if package["ModelPackageArn"] in self._packages:
            raise Conflict(f"Model package already exists: {package['ModelPackageArn']}")
        return package

    def _described(self, request: dict[str, Any], place: str) -> dict[str, Any]:
        left_out = {"Tags", "ClientToken"}
        package = {key: copy.deepcopy(value) for key, value in request.items() if key not in left_out}
        package["ModelPackageName"] = place.split("/", 1)[0]
        package.setdefault("CertifyForMarketplace", False)
        package |= {
            "ModelPackageArn": sagemaker_arn("model-package", place),
            "CreationTime": self._plane.now(),
            "CreatedBy": copy.deepcopy(_CREATOR),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        }
        return package

    def _announce(self, package: dict[str, Any], updated: dict[str, Any] | None = None) -> None:
        self._plane.events.send(EVENT, package_detail(copy.deepcopy(package), updated), package["ModelPackageArn"])

    def _group(self, name: str) -> dict[str, Any]:
        bare = name.rsplit("/", 1)[-1] if name.startswith("arn:") else name
        for known, group in self._groups.items():
            if bare in {known, group["ModelPackageGroupArn"].rsplit("/", 1)[-1]}:
                return group
        arn = sagemaker_arn("model-package-group", bare)
        raise ValidationError(f"ModelPackageGroup {arn} does not exist.")

    def _existing(self, name: str) -> dict[str, Any]:
        arn = (
            name if name.startswith("arn:") else f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:model-package/{name.lower()}"
        )
        if arn not in self._packages:
            raise ValidationError(f"ModelPackage {arn} does not exist.")
        return self._packages[arn]


def _sort_name(package: dict[str, Any]) -> str:
    version = package.get("ModelPackageVersion")
    name: str = package["ModelPackageName"]
    return name if version is None else f"{name}/{version:09d}"
