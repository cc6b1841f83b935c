"""Processing jobs: create, describe, list, stop, delete."""

from __future__ import annotations

import copy
import threading
from typing import Any

from earshot.local.account import sagemaker_arn
from earshot.local.containers.processing import Result, run_processing
from earshot.local.sagemaker.events import processing_detail
from earshot.local.sagemaker.faults import ResourceInUse, ResourceLimitExceeded, ResourceNotFound, ValidationError
from earshot.local.sagemaker.listing import page, summary
from earshot.local.sagemaker.plane import Plane

MAXIMUM_INSTANCES = 20
EVENT = "SageMaker Processing Job State Change"
_FINAL = {"Completed", "Failed", "Stopped"}
_SUMMARY = [
    "ProcessingJobName",
    "ProcessingJobArn",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
    "FailureReason",
    "ExitMessage",
]


class ProcessingJobs:
    """The account's processing jobs."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._jobs: dict[str, dict[str, Any]] = {}
        self._stops: dict[str, threading.Event] = {}

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateProcessingJob."""
        name = request["ProcessingJobName"]
        _check(request)
        self._plane.check_role(request["RoleArn"])
        arn = sagemaker_arn("processing-job", name)
        now = self._plane.now()
        job = {key: copy.deepcopy(value) for key, value in request.items() if key != "Tags" and value is not None}
        for given in job.get("ProcessingInputs", []):
            if "S3Input" in given:
                given["S3Input"] = {
                    "S3DataDistributionType": "FullyReplicated",
                    "S3InputMode": "File",
                    "S3CompressionType": "None",
                    **given["S3Input"],
                }
        job.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": 86_400})
        job |= {
            "ProcessingJobArn": arn,
            "ProcessingJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        with self._plane.lock:
            if name in self._jobs:
                raise ResourceInUse(
                    "Job name must be unique within an AWS account and region, and a job with this name already "
                    f"exists ({arn})"
                )
            self._plane.tags.create(arn, request.get("Tags"))
            self._jobs[name] = job
            self._stops[name] = threading.Event()
            self._announce(job)
        self._plane.begin(name, self._run, name)
        return {"ProcessingJobArn": arn}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeProcessingJob."""
        with self._plane.lock:
            return copy.deepcopy(self._existing(request["ProcessingJobName"]))

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListProcessingJobs."""
        with self._plane.lock:
            chosen, more = page(self._jobs.values(), request, name="ProcessingJobName", status="ProcessingJobStatus")
            return {"ProcessingJobSummaries": [summary(job, _SUMMARY) for job in chosen], **more}

    def stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """StopProcessingJob."""
        name = request["ProcessingJobName"]
        with self._plane.lock:
            job = self._existing(name)
            status = job["ProcessingJobStatus"]
            if status in _FINAL:
                raise ValidationError(
                    f"The request was rejected because the processing job {name} is in status {status}"
                )
            if status == "InProgress":
                self._change(job, ProcessingJobStatus="Stopping")
                self._stops[name].set()
        return {}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteProcessingJob; only a finished one can go."""
        name = request["ProcessingJobName"]
        with self._plane.lock:
            if name not in self._jobs:
                raise ResourceNotFound(f"Could not find requested job with name: {name}")
            job = self._jobs[name]
            if job["ProcessingJobStatus"] not in _FINAL:
                raise ResourceInUse(
                    f"The processing job {name} is in status {job['ProcessingJobStatus']}: stop it first"
                )
            del self._jobs[name], self._stops[name]
            self._plane.tags.forget(job["ProcessingJobArn"])
        return {}

    def _run(self, name: str) -> None:
        job = self._jobs[name]

        def started() -> None:
            with self._plane.lock:
                self._change(job, ProcessingStartTime=self._plane.now())

        try:
            result = run_processing(self._plane.workshop, copy.deepcopy(job), self._stops[name], started)
        except Exception as error:
            result = Result("Failed", f"InternalServerError: {type(error).__name__}: {error}"[:1024])
        with self._plane.lock:
            said = {"FailureReason": result.failure, "ExitMessage": result.message}
            told = {key: value[:1024] for key, value in said.items() if value}
            self._change(job, ProcessingJobStatus=result.status, ProcessingEndTime=self._plane.now(), **told)

    def _change(self, job: dict[str, Any], **members: Any) -> None:
        job.update(members, LastModifiedTime=self._plane.now())
        self._announce(job)

    def _announce(self, job: dict[str, Any]) -> None:
        self._plane.events.send(EVENT, processing_detail(copy.deepcopy(job)), job["ProcessingJobArn"])

    def _existing(self, name: str) -> dict[str, Any]:
        if name not in self._jobs:
            raise ValidationError(f"Could not find requested job with name: {name}")
        return self._jobs[name]


def _check(request: dict[str, Any]) -> None:
    """Refuse what the model allows and SageMaker does not, and what the local cloud does not offer.

    Raises:
        ValidationError: naming the input or output at fault.
        ResourceLimitExceeded: more instances than an account has.
    """
    count = request["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
    if count > MAXIMUM_INSTANCES:
        raise ResourceLimitExceeded(
            f"The account-level service limit 'instances for processing job usage' is {MAXIMUM_INSTANCES} Instances, "
            f"with a request delta of {count} Instances."
        )
    for kind, member, list_name in (
        ("InputName", "S3Input", request.get("ProcessingInputs") or []),
        ("OutputName", "S3Output", (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []),
    ):
        names = [entry[kind] for entry in list_name]
        if len(set(names)) != len(names):
            raise ValidationError(f"{kind} must be unique within a processing job: {', '.join(sorted(names))}")
        for entry in list_name:
            place = entry.get(member)
            if place is None:
                raise ValidationError(f"{entry[kind]}: the local cloud has {member} alone, no other kind of data")
            if not place.get("LocalPath", "").startswith("/opt/ml/processing"):
                raise ValidationError(f"{entry[kind]}: LocalPath must be below /opt/ml/processing")
            if place.get("S3InputMode") == "Pipe":
                raise ValidationError(f"{entry[kind]}: the local cloud has S3InputMode File alone")
