"""A processing job's containers: inputs down, the entry point run, outputs up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from earshot.local.containers.hosts import Cause, Ending, Host, algorithm_error, host_names, run
from earshot.local.containers.images import ImageError, role_of
from earshot.local.containers.logs import LogStream
from earshot.local.containers.sandbox import Room
from earshot.local.containers.storage import DataError, Mirror, Source
from earshot.local.containers.workshop import Workshop

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
DEFAULT_SECONDS = 86_400


@dataclass(frozen=True)
class Result:
    """How a processing job ended.

    Attributes:
        status: `Completed`, `Failed` or `Stopped`.
        failure: the reason of a failure.
        message: what the container left in /opt/ml/output/message.
    """

    status: str
    failure: str | None = None
    message: str | None = None


def run_processing(
    workshop: Workshop, job: dict[str, Any], stop: threading.Event, started: Callable[[], None]
) -> Result:
    """Run a processing job to its end.

    Args:
        workshop: where.
        job: the job as described.
        stop: set to stop it.
        started: called once its containers are about to run.
    """
    name = job["ProcessingJobName"]
    hosts = host_names(job["ProcessingResources"]["ClusterConfig"]["InstanceCount"])
    rooms = {host: Room(workshop.folder / "processing" / name / host) for host in hosts}
    try:
        role_of(job["AppSpecification"]["ImageUri"])
        _fill(workshop, job, rooms, stop)
    except ImageError as error:
        return Result("Failed", f"ClientError: {error}")
    except (DataError, ValueError) as error:
        return Result("Failed", f"ClientError: {error}")
    if stop.is_set():
        return Result("Stopped")
    containers = [_host(workshop, job, host, room) for host, room in rooms.items()]
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    continuous = [
        Mirror(workshop.storage, room.outside(output["S3Output"]["LocalPath"]), output["S3Output"]["S3Uri"])
        for output in outputs
        if output.get("S3Output", {}).get("S3UploadMode") == "Continuous"
        for room in rooms.values()
    ]
    seconds = job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_SECONDS)
    started()
    try:
        ending = run(
            containers,
            workshop.interpreter.folders(),
            seconds,
            stop,
            sync=lambda: [mirror.sync() for mirror in continuous],
        )
        for mirror in continuous:
            mirror.sync()
        if ending.cause is Cause.EXIT and ending.failed is None:
            _upload(workshop, outputs, rooms)
    except DataError as error:
        return Result("Failed", f"ClientError: {error}")
    return _result(ending, rooms[hosts[0]], seconds)


def _fill(workshop: Workshop, job: dict[str, Any], rooms: dict[str, Room], stop: threading.Event) -> None:
    names = list(rooms)
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    for index, (name, room) in enumerate(rooms.items()):
        room.prepare()
        config = room.ml / "config"
        config.mkdir()
        (room.ml / "output").mkdir()
        resources = {"current_host": name, "hosts": names, "network_interface_name": "lo"}
        (config / "resourceconfig.json").write_text(json.dumps(resources))
        (config / "processingjobconfig.json").write_text(json.dumps(job))
        for given in job.get("ProcessingInputs", []):
            said = given.get("S3Input")
            if said is None:
                continue
            source = Source(
                said["S3Uri"],
                said["S3DataType"],
                said.get("S3DataDistributionType") == "ShardedByS3Key",
                said.get("S3CompressionType") == "Gzip",
            )
            workshop.storage.download(source, room.outside(said["LocalPath"]), index, len(rooms), stop)
        for output in outputs:
            if "S3Output" in output:
                room.outside(output["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)


def _host(workshop: Workshop, job: dict[str, Any], host: str, room: Room) -> Host:
    application = job["AppSpecification"]
    command = [*application.get("ContainerEntrypoint", ["python3"]), *application.get("ContainerArguments", [])]
    environment = {
        **workshop.environment(),
        "PROCESSING_JOB_NAME": job["ProcessingJobName"],
        "PROCESSING_JOB_ARN": job["ProcessingJobArn"],
        **job.get("Environment", {}),
    }
    stream = f"{job['ProcessingJobName']}/{host}-{int(time.time())}"
    return Host(host, room, command, environment, "/", LogStream(workshop.emulator, LOG_GROUP, stream))


def _upload(workshop: Workshop, outputs: list[dict[str, Any]], rooms: dict[str, Room]) -> None:
    for output in outputs:
        where = output.get("S3Output")
        if where is None or where.get("S3UploadMode") == "Continuous":
            continue
        for room in rooms.values():
            workshop.storage.upload(room.outside(where["LocalPath"]), where["S3Uri"])


def _result(ending: Ending, room: Room, seconds: int) -> Result:
    said = room.ml / "output" / "message"
    message = said.read_text("utf-8", "replace").strip()[:1024] if said.is_file() else None
    if ending.cause is Cause.STOP:
        return Result("Stopped", message=message)
    if ending.cause is Cause.TIME:
        return Result("Stopped", message=message or f"MaxRuntimeExceeded: stopped after {seconds} seconds")
    if ending.failed is None:
        return Result("Completed", message=message)
    failure = ending.failed.room.ml / "output" / "failure"
    text = failure.read_text("utf-8", "replace") if failure.is_file() else ""
    return Result("Failed", algorithm_error(ending, text or message or ""), message)
