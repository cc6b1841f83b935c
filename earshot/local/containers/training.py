"""A training job's containers: channels down, script mode, model and outputs up."""

from __future__ import annotations

import json
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.local.containers.hosts import Cause, Ending, Host, algorithm_error, host_names, run
from earshot.local.containers.images import ImageError, Role, role_of
from earshot.local.containers.logs import LogStream
from earshot.local.containers.sandbox import Room
from earshot.local.containers.storage import DataError, Mirror, Source, parse_uri
from earshot.local.containers.toolkit import (
    CODE,
    ToolkitError,
    decoded,
    fetch_sources,
    script_command,
    variables,
)
from earshot.local.containers.workshop import Workshop

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
DEFAULT_CHECKPOINTS = "/opt/ml/checkpoints"
DEFAULT_TENSORBOARD = "/opt/ml/output/tensorboard"

Phase = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """How a training job ended.

    Attributes:
        status: `Completed`, `Failed` or `Stopped`.
        secondary: `Completed`, `Failed`, `Stopped` or `MaxRuntimeExceeded`.
        failure: the reason of a failure.
        artifacts: where the model is.
    """

    status: str
    secondary: str
    failure: str | None = None
    artifacts: str | None = None


def run_training(
    workshop: Workshop, job: dict[str, Any], stop: threading.Event, phase: Phase, watch: Callable[[str], None]
) -> Result:
    """Run a training job to its end.

    Args:
        workshop: where.
        job: the job as described.
        stop: set to stop it.
        phase: called with each secondary status that begins: `Downloading`, `Training`, `Uploading`.
        watch: called with each line of the log.
    """
    name = job["TrainingJobName"]
    names = host_names(job["ResourceConfig"]["InstanceCount"])
    rooms = {host: Room(workshop.folder / "training" / name / host) for host in names}
    try:
        role = role_of(job["AlgorithmSpecification"]["TrainingImage"])
        phase("Downloading")
        _fill(workshop, job, rooms, stop)
        if stop.is_set():
            return Result("Stopped", "Stopped")
        hosts = [_host(workshop, job, role, host, room, names) for host, room in rooms.items()]
        mirrors = [*_checkpoints(workshop, job, rooms), *_tensorboard(workshop, job, rooms)]
        phase("Training")
        seconds = job["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400)
        ending = run(
            hosts,
            workshop.interpreter.folders(),
            seconds,
            stop,
            watch,
            sync=lambda: [mirror.sync() for mirror in mirrors],
        )
        for mirror in mirrors:
            mirror.sync()
        if ending.failed is None:
            phase("Uploading")
        artifacts = _upload(workshop, job, list(rooms.values()), ending)
    except ImageError as error:
        return Result("Failed", "Failed", f"ClientError: {error}")
    except ToolkitError as error:
        return Result("Failed", "Failed", f"AlgorithmError: framework error: {error}, exit code: 1")
    except (DataError, ValueError) as error:
        return Result("Failed", "Failed", f"ClientError: {error}")
    return _result(ending, artifacts)


def artifacts_uri(job: dict[str, Any]) -> str:
    """Give the address of a job's output folder."""
    return f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/output"


def _fill(workshop: Workshop, job: dict[str, Any], rooms: dict[str, Room], stop: threading.Event) -> None:
    names = list(rooms)
    for index, (name, room) in enumerate(rooms.items()):
        room.prepare()
        for folder in ("input/config", "input/data", "model", "output/data", "output/intermediate", "code"):
            (room.ml / folder).mkdir(parents=True)
        config = room.ml / "input" / "config"
        resources = {"current_host": name, "hosts": names, "network_interface_name": "lo"}
        (config / "resourceconfig.json").write_text(json.dumps(resources))
        (config / "hyperparameters.json").write_text(json.dumps(job.get("HyperParameters", {})))
        (config / "inputdataconfig.json").write_text(json.dumps(_channels(job)))
        for channel in job.get("InputDataConfig", []):
            said = channel["DataSource"]["S3DataSource"]
            source = Source(
                said["S3Uri"],
                said["S3DataType"],
                said.get("S3DataDistributionType") == "ShardedByS3Key",
                channel.get("CompressionType") == "Gzip",
            )
            folder = room.ml / "input" / "data" / channel["ChannelName"]
            workshop.storage.download(source, folder, index, len(rooms), stop)


def _channels(job: dict[str, Any]) -> dict[str, Any]:
    return {
        channel["ChannelName"]: {
            "TrainingInputMode": channel.get("InputMode", job["AlgorithmSpecification"]["TrainingInputMode"]),
            "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                "S3DataDistributionType", "FullyReplicated"
            ),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
        for channel in job.get("InputDataConfig", [])
    }


def _host(workshop: Workshop, job: dict[str, Any], role: Role, host: str, room: Room, names: list[str]) -> Host:
    name = job["TrainingJobName"]
    specification = job["AlgorithmSpecification"]
    environment = {
        **workshop.environment(),
        "TRAINING_JOB_NAME": name,
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
        **job.get("Environment", {}),
    }
    stream = LogStream(workshop.emulator, LOG_GROUP, f"{name}/{host}-{int(time.time())}")
    if "ContainerEntrypoint" in specification:
        command = [*specification["ContainerEntrypoint"], *specification.get("ContainerArguments", [])]
        return Host(host, room, command, environment, "/", stream)
    if role is not Role.TRAINING:
        raise ImageError(f"CannotStartContainerError: {specification['TrainingImage']} is not a training image")
    values = decoded(job.get("HyperParameters", {}))
    program, sources = values.get("sagemaker_program"), values.get("sagemaker_submit_directory")
    if not isinstance(program, str) or not isinstance(sources, str):
        raise ToolkitError("script mode needs the hyperparameters sagemaker_program and sagemaker_submit_directory")
    own = {key: value for key, value in values.items() if not key.startswith("sagemaker_")}
    fetch_sources(workshop.storage, sources, room)
    channels = [channel["ChannelName"] for channel in job.get("InputDataConfig", [])]
    environment |= variables(job, host, names, own, channels)
    return Host(host, room, script_command(room, program, own), environment, CODE, stream)


def _checkpoints(workshop: Workshop, job: dict[str, Any], rooms: dict[str, Room]) -> list[Mirror]:
    config = job.get("CheckpointConfig")
    if config is None:
        return []
    mirrors = []
    for room in rooms.values():
        folder = room.outside(config.get("LocalPath", DEFAULT_CHECKPOINTS))
        folder.mkdir(parents=True, exist_ok=True)
        uri = config["S3Uri"].rstrip("/") + "/"
        bucket, prefix = parse_uri(uri)
        if workshop.storage.keys(bucket, prefix):
            workshop.storage.download(Source(uri), folder, 0, 1, threading.Event())
        mirrors.append(Mirror(workshop.storage, folder, uri))
    return mirrors


def _tensorboard(workshop: Workshop, job: dict[str, Any], rooms: dict[str, Room]) -> list[Mirror]:
    """Carry TensorBoard's logs up while the job runs, below the job's own name; nothing comes down."""
    config = job.get("TensorBoardOutputConfig")
    if config is None:
        return []
    uri = f"{config['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/tensorboard-output/"
    mirrors = []
    for room in rooms.values():
        folder = room.outside(config.get("LocalPath", DEFAULT_TENSORBOARD))
        folder.mkdir(parents=True, exist_ok=True)
        mirrors.append(Mirror(workshop.storage, folder, uri))
    return mirrors


def _upload(workshop: Workshop, job: dict[str, Any], rooms: list[Room], ending: Ending) -> str | None:
    """Upload what the containers made; a failed job's model is not kept, its other outputs are."""
    uri = artifacts_uri(job)
    compressed = job["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP"
    outputs = [room.ml / "output" / "data" for room in rooms]
    models = [room.ml / "model" for room in rooms]
    if any(any(folder.iterdir()) for folder in outputs):
        _deliver(workshop, outputs, uri, "output", compressed)
    if ending.failed is not None:
        return None
    return _deliver(workshop, models, uri, "model", compressed)


def _deliver(workshop: Workshop, folders: list[Path], uri: str, name: str, compressed: bool) -> str:
    if not compressed:
        for folder in folders:
            workshop.storage.upload(folder, f"{uri}/{name}/")
        return f"{uri}/{name}/"
    bucket, key = parse_uri(f"{uri}/{name}.tar.gz")
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            taken: set[str] = set()
            for folder in folders:
                for path in sorted(folder.rglob("*")):
                    relative = path.relative_to(folder).as_posix()
                    if relative not in taken:
                        taken.add(relative)
                        archive.add(path, relative, recursive=False)
        file.seek(0)
        workshop.storage.write(bucket, key, file.read())
    return f"{uri}/{name}.tar.gz"


def _result(ending: Ending, artifacts: str | None) -> Result:
    if ending.cause is Cause.STOP:
        return Result("Stopped", "Stopped", artifacts=artifacts)
    if ending.cause is Cause.TIME:
        return Result("Stopped", "MaxRuntimeExceeded", artifacts=artifacts)
    if ending.failed is None:
        return Result("Completed", "Completed", artifacts=artifacts)
    failure = ending.failed.room.ml / "output" / "failure"
    said = failure.read_text("utf-8", "replace") if failure.is_file() else ""
    return Result("Failed", "Failed", algorithm_error(ending, said))
