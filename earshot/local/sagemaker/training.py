"""Training jobs: create, describe, list, stop, delete; the states they go through."""

from __future__ import annotations

import copy
import threading
from typing import Any

from earshot.local.account import sagemaker_arn
from earshot.local.containers.training import DEFAULT_TENSORBOARD, Result, run_training
from earshot.local.sagemaker.events import training_detail
from earshot.local.sagemaker.faults import ResourceInUse, ResourceLimitExceeded, ResourceNotFound, ValidationError
from earshot.local.sagemaker.listing import page, summary
from earshot.local.sagemaker.metrics import LogMetrics
from earshot.local.sagemaker.plane import Plane

MAXIMUM_INSTANCES = 20
EVENT = "SageMaker Training Job State Change"
_RESERVED = ("/opt/ml", "/tmp", "/usr/local/nvidia")  # noqa: S108 - names that SageMaker keeps for itself
_FINAL = {"Completed", "Failed", "Stopped"}
_SUMMARY = [
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
    "SecondaryStatus",
]
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading the training image and input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


class TrainingJobs:
    """The account's training jobs."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._jobs: dict[str, dict[str, Any]] = {}
        self._stops: dict[str, threading.Event] = {}
        self._metrics: dict[str, LogMetrics] = {}

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateTrainingJob."""
        name = request["TrainingJobName"]
        _check(request)
        metrics = LogMetrics(request["AlgorithmSpecification"].get("MetricDefinitions") or [])
        self._plane.check_role(request["RoleArn"])
        arn = sagemaker_arn("training-job", name)
        now = self._plane.now()
        job = {key: copy.deepcopy(value) for key, value in request.items() if key != "Tags" and value is not None}
        for given in job.get("InputDataConfig", []):
            given.setdefault("CompressionType", "None")
            given.setdefault("RecordWrapperType", "None")
            given["DataSource"]["S3DataSource"].setdefault("S3DataDistributionType", "FullyReplicated")
        job["StoppingCondition"] = {"MaxRuntimeInSeconds": 86_400, **(job.get("StoppingCondition") or {})}
        for switch in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"):
            job.setdefault(switch, False)
        job |= {
            "TrainingJobArn": arn,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "SecondaryStatusTransitions": [
                {"Status": "Starting", "StartTime": now, "StatusMessage": _MESSAGES["Starting"]}
            ],
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
            self._jobs[name], self._stops[name], self._metrics[name] = job, threading.Event(), metrics
            self._announce(job)
        self._plane.begin(name, self._run, name)
        return {"TrainingJobArn": arn}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeTrainingJob."""
        with self._plane.lock:
            return copy.deepcopy(self._existing(request["TrainingJobName"]))

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListTrainingJobs; there are neither warm pools nor training plans to find jobs by."""
        nowhere = {"WarmPoolStatusEquals", "TrainingPlanArnEquals"} & request.keys()
        with self._plane.lock:
            jobs = [] if nowhere else self._jobs.values()
            chosen, more = page(jobs, request, name="TrainingJobName", status="TrainingJobStatus")
            return {"TrainingJobSummaries": [summary(job, _SUMMARY) for job in chosen], **more}

    def stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """StopTrainingJob."""
        name = request["TrainingJobName"]
        with self._plane.lock:
            job = self._existing(name)
            status = job["TrainingJobStatus"]
            if status in _FINAL:
                raise ValidationError(f"The request was rejected because the training job is in status {status}.")
            if status == "InProgress":
                job["TrainingJobStatus"] = "Stopping"
                self._enter(job, "Stopping")
                self._stops[name].set()
        return {}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteTrainingJob; only a finished one can go."""
        name = request["TrainingJobName"]
        with self._plane.lock:
            if name not in self._jobs:
                raise ResourceNotFound("Requested resource not found.")
            job = self._jobs[name]
            if job["TrainingJobStatus"] not in _FINAL:
                raise ResourceInUse(f"The training job {name} is in status {job['TrainingJobStatus']}: stop it first")
            del self._jobs[name], self._stops[name], self._metrics[name]
            self._plane.tags.forget(job["TrainingJobArn"])
        return {}

    def _run(self, name: str) -> None:
        job, metrics = self._jobs[name], self._metrics[name]

        def phase(status: str) -> None:
            with self._plane.lock:
                if status == "Downloading":
                    job["TrainingStartTime"] = self._plane.now()
                if job["TrainingJobStatus"] == "InProgress":
                    self._enter(job, status)

        try:
            result = run_training(self._plane.workshop, copy.deepcopy(job), self._stops[name], phase, metrics.read)
        except Exception as error:
            result = Result("Failed", "Failed", f"InternalServerError: {type(error).__name__}: {error}")
        with self._plane.lock:
            self._finish(job, result, metrics)

    def _finish(self, job: dict[str, Any], result: Result, metrics: LogMetrics) -> None:
        now = self._plane.now()
        job["TrainingJobStatus"] = result.status
        job["TrainingEndTime"] = now
        seconds = max(1, round(now - job.get("TrainingStartTime", now)))
        job["TrainingTimeInSeconds"] = seconds
        job["BillableTimeInSeconds"] = seconds * job["ResourceConfig"]["InstanceCount"]
        if result.failure:
            job["FailureReason"] = result.failure[:1024]
        if result.artifacts:
            job["ModelArtifacts"] = {"S3ModelArtifacts": result.artifacts}
        final = metrics.final()
        if final:
            job["FinalMetricDataList"] = final
        self._enter(job, result.secondary)
        job["SecondaryStatusTransitions"][-1]["EndTime"] = job["LastModifiedTime"]

    def _enter(self, job: dict[str, Any], status: str) -> None:
        now = self._plane.now()
        transitions = job["SecondaryStatusTransitions"]
        transitions[-1].setdefault("EndTime", now)
        message = job.get("FailureReason") if status == "Failed" else None
        transitions.append({"Status": status, "StartTime": now, "StatusMessage": message or _MESSAGES[status]})
        job["SecondaryStatus"] = status
        job["LastModifiedTime"] = now
        self._announce(job)

    def _announce(self, job: dict[str, Any]) -> None:
        arn = job["TrainingJobArn"]
        self._plane.events.send(EVENT, training_detail(copy.deepcopy(job), self._plane.tags.of(arn)), arn)

    def _existing(self, name: str) -> dict[str, Any]:
        if name not in self._jobs:
            raise ValidationError("Requested resource not found.")
        return self._jobs[name]


def _check(request: dict[str, Any]) -> None:
    """Refuse what the model allows and SageMaker does not, and what the local cloud does not offer.

    Raises:
        ValidationError: naming what is at fault.
        ResourceLimitExceeded: more instances than an account has.
    """
    for member in ("AlgorithmSpecification", "OutputDataConfig", "ResourceConfig", "StoppingCondition"):
        if request.get(member) is None:
            raise ValidationError(f"{member} is needed: the local cloud has neither serverless nor managed training")
    specification = request["AlgorithmSpecification"]
    if "TrainingImage" not in specification:
        raise ValidationError("AlgorithmSpecification needs TrainingImage: the local cloud has no algorithm resources")
    if request["ResourceConfig"].get("InstanceGroups") or "InstanceCount" not in request["ResourceConfig"]:
        raise ValidationError("ResourceConfig needs InstanceType and InstanceCount: there are no instance groups here")
    count = request["ResourceConfig"]["InstanceCount"]
    if not 1 <= count <= MAXIMUM_INSTANCES:
        raise ResourceLimitExceeded(
            f"The account-level service limit 'instances for training job usage' is {MAXIMUM_INSTANCES} Instances, "
            f"with a request delta of {count} Instances."
        )
    _check_channels(request)
    logs = (request.get("TensorBoardOutputConfig") or {}).get("LocalPath", DEFAULT_TENSORBOARD)
    if logs != DEFAULT_TENSORBOARD and logs.startswith(_RESERVED):
        raise ValidationError(
            '"LocalPath" of "TensorBoardOutputConfig" cannot start with the following reserved path: '
            f"[{', '.join(_RESERVED)}]"
        )
    stopping = request["StoppingCondition"]
    longest = stopping.get("MaxRuntimeInSeconds", 86_400)
    waiting = stopping.get("MaxWaitTimeInSeconds")
    spot = request.get("EnableManagedSpotTraining", False)
    if spot and (waiting is None or waiting < longest):
        raise ValidationError(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        )
    if waiting is not None and not spot:
        raise ValidationError("MaxWaitTimeInSeconds above 0 is not allowed when EnableManagedSpotTraining is false")


def _check_channels(request: dict[str, Any]) -> None:
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig") or []]
    if len(set(names)) != len(names):
        raise ValidationError(f"ChannelName must be unique within a training job: {', '.join(sorted(names))}")
    for channel in request.get("InputDataConfig") or []:
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise ValidationError(f"Channel {channel['ChannelName']}: the local cloud has S3DataSource alone")
        if source["S3DataType"] not in {"S3Prefix", "ManifestFile"}:
            raise ValidationError(f"Channel {channel['ChannelName']}: S3DataType must be S3Prefix or ManifestFile here")
        if "Pipe" in {channel.get("InputMode"), request["AlgorithmSpecification"]["TrainingInputMode"]}:
            raise ValidationError(f"Channel {channel['ChannelName']}: the local cloud has no Pipe mode; use File")
