"""SageMaker's processing and training jobs: how they are asked for and what became of them.

Names derive from the run, so SageMaker itself refuses to do a run's job twice: ResourceInUse means done already.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from earshot_pipeline import naming
from earshot_pipeline.run import Run

_ENTRY_POINT = [
    "/bin/sh",
    "-c",
    "mkdir -p /tmp/earshot && tar xzf /opt/ml/processing/input/code/sourcedir.tar.gz -C /tmp/earshot"
    " && python3 -m pip install -q -r /tmp/earshot/requirements.txt && exec python3 /tmp/earshot/preprocess.py",
]
_NUMBER = r"([0-9.eE+-]+)"
_METRICS = [
    {"Name": name, "Regex": rf"(?:^|\s){name}={_NUMBER}"}
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "accuracy_float", "accuracy_int8")
]
_CLIPS_A_HOST = 20_000
_ALREADY = "ResourceInUse"


class JobStatus(StrEnum):
    """What became of a job."""

    MISSING = "Missing"
    RUNNING = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


@dataclass(frozen=True)
class JobOutcome:
    """A job as SageMaker describes it.

    Attributes:
        status: what became of it.
        reason: why it failed or stopped; "" otherwise.
        artifacts: `s3://` address of a training job's model; "" otherwise.
    """

    status: JobStatus
    reason: str = ""
    artifacts: str = ""


@dataclass(frozen=True)
class ProcessingSettings:
    """What all runs' processing jobs have in common.

    Attributes:
        stack: the stack's name.
        image: the training image, which preprocessing uses too.
        role: the job's role.
        instance: instance type.
        instances: most instances that share a large preprocessing.
        seconds: longest preprocessing.
        frontend: the front end's name.
        copies: augmented copies a training clip.
        seed: of augmentation.
    """

    stack: str
    image: str
    role: str
    instance: str
    instances: int
    seconds: int
    frontend: str
    copies: int
    seed: int


@dataclass(frozen=True)
class TrainingSettings:
    """What all runs' training jobs have in common.

    Attributes:
        stack: the stack's name.
        image: the training image.
        role: the job's role.
        instance: instance type.
        seconds: longest training.
        spot: train on spare capacity.
        architecture: the model's architecture.
        keywords: the words.
        epochs: epochs of training.
        samples_per_epoch: examples drawn an epoch.
        batch_size: examples a step.
        learning_rate: peak learning rate.
        seed: of training.
        warm_start: begin with the champion's weights where they fit.
        patience: epochs without a better validation loss after which training ends; 0 for never.
        max_model_bytes: flash that the board has for a model.
        max_arena_bytes: RAM that the board has for its tensors.
        max_instructions: most instructions an inference on the board.
    """

    stack: str
    image: str
    role: str
    instance: str
    seconds: int
    spot: bool
    architecture: str
    keywords: tuple[str, ...]
    epochs: int
    samples_per_epoch: int
    batch_size: int
    learning_rate: float
    seed: int
    warm_start: bool
    patience: int
    max_model_bytes: int
    max_arena_bytes: int
    max_instructions: int

    @property
    def budget(self) -> str:
        """What a model may need of the board; training refuses a model that needs more."""
        return f"flash={self.max_model_bytes},arena={self.max_arena_bytes},instructions={self.max_instructions}"


@dataclass(frozen=True)
class Places:
    """Where a run's files are.

    Attributes:
        data: name of the data bucket.
        code: key of the jobs' sources.
        code_version: which they are.
    """

    data: str
    code: str
    code_version: str

    def uri(self, key: str) -> str:
        """An address in the data bucket."""
        return f"s3://{self.data}/{key}"


def processing_request(
    run: str, settings: ProcessingSettings, places: Places, frontend: str, new_clips: int, with_noise: bool
) -> dict[str, Any]:
    """CreateProcessingJob's parameters.

    Args:
        run: the run's id.
        settings: what all jobs have in common.
        places: where the files are.
        frontend: the front end's id, which the job must compute.
        new_clips: how many clips it preprocesses.
        with_noise: whether the dataset has noise recordings.
    """
    inputs = [
        _input("code", places.uri(places.code)),
        _input("dataset", places.uri(naming.dataset_key(run, "new.jsonl"))),
        _input("clips", places.uri(naming.dataset_key(run, "new.manifest")), "ManifestFile", "ShardedByS3Key"),
    ]
    if with_noise:
        inputs.append(_input("noise", places.uri(naming.dataset_key(run, "noise.manifest")), "ManifestFile"))
    hosts = max(1, min(settings.instances, -(-new_clips // _CLIPS_A_HOST)))
    output = {
        "S3Uri": places.uri(naming.features_prefix(frontend, run)).rstrip("/"),
        "LocalPath": "/opt/ml/processing/output/features",
        "S3UploadMode": "EndOfJob",
    }
    return {
        "ProcessingJobName": naming.processing_job(settings.stack, run),
        "AppSpecification": {"ImageUri": settings.image, "ContainerEntrypoint": _ENTRY_POINT},
        "Environment": {
            "EARSHOT_RUN": run,
            "EARSHOT_FRONTEND": settings.frontend,
            "EARSHOT_FRONTEND_ID": frontend,
            "EARSHOT_SEED": str(settings.seed),
            "EARSHOT_COPIES": str(settings.copies),
        },
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "features", "S3Output": output}]},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": hosts,
                "InstanceType": settings.instance,
                "VolumeSizeInGB": 50,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": settings.seconds},
        "RoleArn": settings.role,
        "Tags": _tags(settings.stack, run),
    }


def training_request(
    run: Run, settings: TrainingSettings, places: Places, frontend: str, with_audio: bool
) -> dict[str, Any]:
    """CreateTrainingJob's parameters: the same for a run whenever they are asked for.

    Args:
        run: the run; it says on which dataset, against which champion, and whether it judges an imported model.
        settings: what all jobs have in common.
        places: where the files are.
        frontend: the id of the front end that computed the features.
        with_audio: whether there are recordings to play for streaming evaluation.
    """
    name = naming.training_job(settings.stack, run.id)
    manifest = places.uri(naming.dataset_key(run.dataset, "manifest.jsonl"))
    hyperparameters = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": places.uri(places.code),
        "sagemaker_job_name": name,
        "sagemaker_container_log_level": 20,
        "architecture": settings.architecture,
        "keywords": ",".join(settings.keywords),
        "frontend": frontend,
        "epochs": settings.epochs,
        "samples_per_epoch": settings.samples_per_epoch,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "seed": settings.seed,
        "code_version": places.code_version,
        "run": run.id,
        "dataset_uri": manifest,
        "warm_start": "true" if settings.warm_start and not run.imported else "false",
        "patience": settings.patience,
        "budget": settings.budget,
        **({"champion_uri": run.champion} if run.champion else {}),
    }
    # An input channel that finds nothing fails the job: each is named only where there is something.
    channels = [
        _channel("features", places.uri(naming.dataset_key(run.dataset, "features.manifest")), "ManifestFile"),
        _channel("dataset", manifest),
    ]
    if with_audio:
        channels.append(_channel("audio", places.uri(naming.dataset_key(run.id, "audio.manifest")), "ManifestFile"))
    if run.champion:
        channels.append(_channel("champion", run.champion))
    if run.imported:
        channels.append(_channel("imported", places.uri(naming.import_prefix(run.imported))))
    stopping: dict[str, int] = {"MaxRuntimeInSeconds": settings.seconds}
    if settings.spot:
        stopping["MaxWaitTimeInSeconds"] = settings.seconds * 2
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": settings.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": _METRICS,
        },
        # The containers decode each value as JSON: a code version of digits only must stay text.
        "HyperParameters": {key: json.dumps(value) for key, value in hyperparameters.items()},
        "InputDataConfig": channels,
        "OutputDataConfig": {"S3OutputPath": places.uri("models"), "CompressionType": "GZIP"},
        "CheckpointConfig": {"S3Uri": places.uri(f"checkpoints/{name}"), "LocalPath": "/opt/ml/checkpoints"},
        # The container's folder is SageMaker's default, /opt/ml/output/tensorboard. Named, it is refused by some
        # accounts as a reserved path.
        "TensorBoardOutputConfig": {"S3OutputPath": places.uri("tensorboard")},
        "ResourceConfig": {
            "InstanceCount": 1,
            "InstanceType": settings.instance,
            "VolumeSizeInGB": 50,
        },
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": settings.spot,
        "RoleArn": settings.role,
        "Tags": _tags(settings.stack, run.id),
    }


@dataclass(frozen=True)
class Jobs:
    """SageMaker's jobs.

    Attributes:
        sagemaker: a boto3 SageMaker client.
    """

    sagemaker: Any

    def ensure_processing(self, request: Mapping[str, Any]) -> None:
        """Start a processing job unless one of this name was started."""
        _unless_in_use(self.sagemaker.create_processing_job, request)

    def ensure_training(self, request: Mapping[str, Any]) -> None:
        """Start a training job unless one of this name was started."""
        _unless_in_use(self.sagemaker.create_training_job, request)

    def processing(self, name: str) -> JobOutcome:
        """What became of a processing job."""
        try:
            job = self.sagemaker.describe_processing_job(ProcessingJobName=name)
        except ClientError as fault:
            return _missing(fault)
        reason = job.get("FailureReason") or job.get("ExitMessage") or ""
        return JobOutcome(_status(job["ProcessingJobStatus"]), reason)

    def training(self, name: str) -> JobOutcome:
        """What became of a training job."""
        try:
            job = self.sagemaker.describe_training_job(TrainingJobName=name)
        except ClientError as fault:
            return _missing(fault)
        status = _status(job["TrainingJobStatus"])
        reason = job.get("FailureReason") or (job.get("SecondaryStatus", "") if status is JobStatus.STOPPED else "")
        return JobOutcome(status, reason, job.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""))


def _input(name: str, uri: str, kind: str = "S3Prefix", spread: str = "FullyReplicated") -> dict[str, Any]:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": kind,
            "S3InputMode": "File",
            "S3DataDistributionType": spread,
        },
    }


def _channel(name: str, uri: str, kind: str = "S3Prefix") -> dict[str, Any]:
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "InputMode": "File", "DataSource": {"S3DataSource": source}}


def _tags(stack: str, run: str) -> list[dict[str, str]]:
    return [{"Key": "earshot:stack", "Value": stack}, {"Key": "earshot:run", "Value": run}]


def _unless_in_use(create: Any, request: Mapping[str, Any]) -> None:
    try:
        create(**request)
    except ClientError as fault:
        if fault.response["Error"]["Code"] != _ALREADY:
            raise


def _missing(fault: ClientError) -> JobOutcome:
    error = fault.response["Error"]
    absent = error["Code"] in ("ResourceNotFound", "ResourceNotFoundException") or (
        error["Code"] == "ValidationException" and "not f" in error.get("Message", "").lower()
    )
    if not absent:
        raise fault
    return JobOutcome(JobStatus.MISSING)


def _status(text: str) -> JobStatus:
    return {"Stopping": JobStatus.RUNNING}.get(text) or JobStatus(text)
