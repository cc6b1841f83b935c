"""State-change events, in the shapes that AWS documents, oddities included.

- A training job's times are strings of milliseconds and its tags a map.
- A processing job's enumerations are in upper case (`MANIFEST_FILE`), and the
  event has neither tags nor environment.
- An endpoint is `IN_SERVICE`, not `InService`.
- AWS may send several events for one change. So does this: every third
  event is delivered a second time, a moment later, in the same words.

One thread delivers them in order, after the change can be seen by Describe.
"""

from __future__ import annotations

import itertools
import queue
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

REPEAT_EVERY = 3
REPEAT_AFTER_SECONDS = 0.2

Deliver = Callable[[str, dict[str, Any], str], None]

_TRAINING_MEMBERS = [
    "TrainingJobName",
    "TrainingJobArn",
    "TrainingJobStatus",
    "SecondaryStatus",
    "FailureReason",
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
]
_PROCESSING_MEMBERS = [
    "ProcessingJobName",
    "ProcessingJobArn",
    "ProcessingJobStatus",
    "FailureReason",
    "ExitMessage",
    "ProcessingInputs",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "StoppingCondition",
    "AppSpecification",
    "NetworkConfig",
    "RoleArn",
]
_PACKAGE_MEMBERS = [
    "ModelPackageGroupName",
    "ModelPackageName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelPackageStatusDetails",
    "CertifyForMarketplace",
    "ModelApprovalStatus",
    "ApprovalDescription",
    "ModelMetrics",
    "CustomerMetadataProperties",
]
_UPPER_CASED = {"S3DataType", "S3InputMode", "S3DataDistributionType", "S3CompressionType", "S3UploadMode"}
_RUN_TOGETHER = {"FullyReplicated": "FULLYREPLICATED", "ShardedByS3Key": "SHARDEDBYS3KEY"}


def training_detail(job: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """Give the detail of `SageMaker Training Job State Change` for a job as described."""
    detail = {member: job[member] for member in _TRAINING_MEMBERS if member in job}
    for member in ("CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime"):
        if member in job:
            detail[member] = str(_milliseconds(job[member]))
    detail["SecondaryStatusTransitions"] = [
        {key: _milliseconds(value) if key.endswith("Time") else value for key, value in transition.items()}
        for transition in job["SecondaryStatusTransitions"]
    ]
    detail["Tags"] = tags
    return detail


def processing_detail(job: dict[str, Any]) -> dict[str, Any]:
    """Give the detail of `SageMaker Processing Job State Change` for a job as described."""
    detail: dict[str, Any] = _upper_cased({member: job[member] for member in _PROCESSING_MEMBERS if member in job})
    for member in ("CreationTime", "ProcessingStartTime", "ProcessingEndTime", "LastModifiedTime"):
        if member in job:
            detail[member] = _milliseconds(job[member])
    detail["ExperimentConfig"] = job.get("ExperimentConfig", {})
    return detail


def endpoint_detail(endpoint: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """Give the detail of `SageMaker Endpoint State Change` for an endpoint as described."""
    members = ("EndpointName", "EndpointArn", "EndpointConfigName", "ProductionVariants", "FailureReason")
    detail = {member: endpoint[member] for member in members if member in endpoint}
    detail["EndpointStatus"] = upper_snake(endpoint["EndpointStatus"])
    detail["CreationTime"] = _milliseconds(endpoint["CreationTime"])
    detail["LastModifiedTime"] = _milliseconds(endpoint["LastModifiedTime"])
    detail["Tags"] = tags
    return detail


def deployment_detail(endpoint: dict[str, Any], status: str) -> dict[str, Any]:
    """Give the detail of `SageMaker Endpoint Deployment State Change`.

    Args:
        endpoint: the endpoint as described, while a deployment is pending.
        status: what the new fleet does: `Creating`, `Baking`, `ActivatingTraffic`, …
    """
    pending = endpoint.get("PendingDeploymentSummary") or {}
    variants = [{**variant, "VariantStatus": [{"Status": status}]} for variant in pending.get("ProductionVariants", [])]
    return {
        "EndpointName": endpoint["EndpointName"],
        "EndpointArn": endpoint["EndpointArn"],
        "EndpointConfigName": endpoint["EndpointConfigName"],
        "ProductionVariants": endpoint.get("ProductionVariants", []),
        "EndpointStatus": upper_snake(endpoint["EndpointStatus"]),
        "CreationTime": _milliseconds(endpoint["CreationTime"]),
        "LastModifiedTime": _milliseconds(endpoint["LastModifiedTime"]),
        "PendingDeploymentSummary": {
            "EndpointConfigName": pending.get("EndpointConfigName", endpoint["EndpointConfigName"]),
            "ProductionVariants": variants,
            "StartTime": _milliseconds(pending.get("StartTime", endpoint["LastModifiedTime"])),
        },
    }


def package_detail(package: dict[str, Any], updated: dict[str, Any] | None = None) -> dict[str, Any]:
    """Give the detail of `SageMaker Model Package State Change`.

    Args:
        package: the model package as described.
        updated: the members that an update changed, with their new values.
    """
    members = [member for member in _PACKAGE_MEMBERS if member in package]
    if "ModelPackageVersion" in package:
        members.remove("ModelPackageName")
    detail = {member: package[member] for member in members}
    for member in ("CreationTime", "LastModifiedTime"):
        if member in package:
            detail[member] = datetime.fromtimestamp(package[member], UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    if updated:
        detail["UpdatedModelPackageFields"] = updated
    return detail


def upper_snake(word: str) -> str:
    """Write an enumeration's value as events do: `InService` → `IN_SERVICE`, `S3Prefix` → `S3_PREFIX`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).upper()


class EventStream:
    """Delivers events, some of them twice, in order and off the caller's thread."""

    def __init__(self, deliver: Deliver) -> None:
        """Begin.

        Args:
            deliver: puts one event (detail type, detail, resource ARN) on the bus.
        """
        self._deliver = deliver
        self._count = itertools.count(1)
        self._waiting: queue.SimpleQueue[tuple[str, dict[str, Any], str]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="sagemaker-events", daemon=True).start()

    def send(self, detail_type: str, detail: dict[str, Any], resource: str) -> None:
        """Queue an event of `aws.sagemaker`."""
        self._waiting.put((detail_type, detail, resource))

    def _work(self) -> None:
        while True:
            event = self._waiting.get()
            self._deliver(*event)
            if next(self._count) % REPEAT_EVERY == 0:
                time.sleep(REPEAT_AFTER_SECONDS)
                self._deliver(*event)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _upper_cased(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _RUN_TOGETHER.get(member, upper_snake(member))
            if key in _UPPER_CASED and isinstance(member, str)
            else _upper_cased(member)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [_upper_cased(member) for member in value]
    return value
