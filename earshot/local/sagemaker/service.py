"""SageMaker as a service: an operation's name and body in, an answer or a fault out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from earshot.local.containers.workshop import Workshop
from earshot.local.emulator import Reply
from earshot.local.sagemaker.endpoint_configs import EndpointConfigs
from earshot.local.sagemaker.endpoints import Endpoints
from earshot.local.sagemaker.faults import SageMakerError, Serialization, UnknownOperation
from earshot.local.sagemaker.models import Models
from earshot.local.sagemaker.packages import ModelPackages
from earshot.local.sagemaker.plane import Plane
from earshot.local.sagemaker.processing import ProcessingJobs
from earshot.local.sagemaker.runtime import Runtime
from earshot.local.sagemaker.schema import check_request, operation
from earshot.local.sagemaker.training import TrainingJobs

TARGET_PREFIX = "SageMaker."

Operation = Callable[[dict[str, Any]], dict[str, Any]]


class SageMaker:
    """The account's SageMaker."""

    def __init__(self, workshop: Workshop) -> None:
        plane = Plane(workshop)
        self.plane = plane
        self.packages = ModelPackages(plane)
        models = Models(plane, self.packages)
        configs = EndpointConfigs(plane, models)
        endpoints = Endpoints(plane, models, configs)
        processing = ProcessingJobs(plane)
        training = TrainingJobs(plane)
        self.runtime = Runtime(endpoints)
        self.operations: dict[str, Operation] = {
            "AddTags": plane.tags.add,
            "BatchDescribeModelPackage": self.packages.batch_describe,
            "CreateEndpoint": endpoints.create,
            "CreateEndpointConfig": configs.create,
            "CreateModel": models.create,
            "CreateModelPackage": self.packages.create,
            "CreateModelPackageGroup": self.packages.create_group,
            "CreateProcessingJob": processing.create,
            "CreateTrainingJob": training.create,
            "DeleteEndpoint": endpoints.delete,
            "DeleteEndpointConfig": configs.delete,
            "DeleteModel": models.delete,
            "DeleteModelPackage": self.packages.delete,
            "DeleteModelPackageGroup": self.packages.delete_group,
            "DeleteProcessingJob": processing.delete,
            "DeleteTags": plane.tags.delete,
            "DeleteTrainingJob": training.delete,
            "DescribeEndpoint": endpoints.describe,
            "DescribeEndpointConfig": configs.describe,
            "DescribeModel": models.describe,
            "DescribeModelPackage": self.packages.describe,
            "DescribeModelPackageGroup": self.packages.describe_group,
            "DescribeProcessingJob": processing.describe,
            "DescribeTrainingJob": training.describe,
            "ListEndpointConfigs": configs.list,
            "ListEndpoints": endpoints.list,
            "ListModelPackageGroups": self.packages.list_groups,
            "ListModelPackages": self.packages.list,
            "ListModels": models.list,
            "ListProcessingJobs": processing.list,
            "ListTags": plane.tags.list,
            "ListTrainingJobs": training.list,
            "StopProcessingJob": processing.stop,
            "StopTrainingJob": training.stop,
            "UpdateEndpoint": endpoints.update,
            "UpdateEndpointWeightsAndCapacities": endpoints.update_weights,
            "UpdateModelPackage": self.packages.update,
        }

    def handle(self, target: str, body: bytes) -> Reply:
        """Answer a request of the AWS JSON 1.1 protocol.

        Args:
            target: the header `X-Amz-Target`, `SageMaker.<operation>`.
            body: the request's body.
        """
        name = target.removeprefix(TARGET_PREFIX)
        try:
            return _reply(200, self.call(name, _decoded(body)))
        except SageMakerError as fault:
            return _reply(fault.status, {"__type": fault.code, "message": str(fault)}, fault.code)

    def call(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """Check a request against the service's model and do it.

        Raises:
            SageMakerError: SageMaker refuses.
        """
        operation(name)
        if name not in self.operations:
            raise UnknownOperation(f"{name}: the local cloud does not offer this operation of SageMaker")
        check_request(name, request)
        return self.operations[name]({key: value for key, value in request.items() if value is not None})


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body or b"{}", parse_constant=_not_json)
    except (ValueError, RecursionError):
        raise Serialization("The body of the request is not JSON") from None
    if not isinstance(request, dict):
        raise Serialization("The body of the request must be a JSON object")
    return request


def _not_json(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _reply(status: int, content: dict[str, Any], error: str | None = None) -> Reply:
    headers = {"content-type": "application/x-amz-json-1.1"}
    if error is not None:
        headers["x-amzn-errortype"] = error
    return Reply(status, headers, json.dumps(content, separators=(",", ":")).encode())
