"""The containers of one job, one a host, run together until they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from earshot.local.containers.logs import LogStream, OutputPump
from earshot.local.containers.processes import GRACE_SECONDS, ContainerProcess
from earshot.local.containers.sandbox import Room, enclosed

_POLL_SECONDS = 0.05
_SYNC_SECONDS = 2.0


class Cause(Enum):
    """Why the containers of a job ended."""

    EXIT = "one after the other, by themselves"
    STOP = "somebody stopped the job"
    TIME = "the job's time was up"


@dataclass(frozen=True)
class Host:
    """One container to run.

    Attributes:
        name: `algo-1`, `algo-2`, …
        room: its folders, filled.
        command: its entry point.
        environment: all of its environment.
        directory: where it starts, in its own paths.
        log: where its output goes.
    """

    name: str
    room: Room
    command: list[str]
    environment: dict[str, str]
    directory: str
    log: LogStream


@dataclass(frozen=True)
class Ending:
    """How a job's containers ended.

    Attributes:
        cause: why.
        failed: the host that ended with a status other than 0, where one did by itself.
        status: its exit status, as Docker gives it.
        last_lines: what it printed last.
    """

    cause: Cause
    failed: Host | None = None
    status: int = 0
    last_lines: list[str] = field(default_factory=list)


def host_names(count: int) -> list[str]:
    """Name a job's hosts as SageMaker does."""
    return [f"algo-{number}" for number in range(1, count + 1)]


def run(
    hosts: list[Host],
    keep: list[Path],
    seconds: float,
    stop: threading.Event,
    watch: Callable[[str], None] | None = None,
    sync: Callable[[], object] | None = None,
) -> Ending:
    """Run containers until all have ended, one has failed, time is up or the job is stopped.

    Args:
        hosts: the containers.
        keep: folders of this machine that they must see.
        seconds: the longest time they may take.
        stop: set when the job is to be stopped.
        watch: called with each line that any of them prints.
        sync: called every other second while they run.
    """
    running: list[tuple[Host, ContainerProcess, OutputPump]] = []
    try:
        for host in hosts:
            command, environment = enclosed(host.command, host.environment, host.room, host.directory, keep)
            process = ContainerProcess(command, environment, str(host.room.root))
            running.append((host, process, OutputPump(process.output, host.log, watch)))
        return _wait(running, time.monotonic() + seconds, stop, sync)
    finally:
        for _, process, pump in running:
            process.kill()
            pump.finish()
            process.close()


def _wait(
    running: list[tuple[Host, ContainerProcess, OutputPump]],
    deadline: float,
    stop: threading.Event,
    sync: Callable[[], object] | None,
) -> Ending:
    next_sync = time.monotonic() + _SYNC_SECONDS
    while True:
        statuses = [(host, process.exit_status(), pump) for host, process, pump in running]
        for host, status, pump in statuses:
            if status:
                pump.finish()
                return Ending(Cause.EXIT, host, status, list(pump.last_lines))
        if all(status == 0 for _, status, _ in statuses):
            return Ending(Cause.EXIT)
        now = time.monotonic()
        cause = Cause.STOP if stop.is_set() else Cause.TIME if now >= deadline else None
        if cause is not None:
            _stop_all([process for _, process, _ in running])
            return Ending(cause)
        if sync is not None and now >= next_sync:
            sync()
            next_sync = time.monotonic() + _SYNC_SECONDS
        time.sleep(_POLL_SECONDS)


def _stop_all(processes: list[ContainerProcess]) -> None:
    for process in processes:
        process.interrupt()
    deadline = time.monotonic() + GRACE_SECONDS
    while any(process.exit_status() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def algorithm_error(ending: Ending, said: str) -> str:
    """Word the failure reason of a job whose container failed.

    Args:
        ending: how it ended.
        said: what it left in /opt/ml/output/failure (or message), or an empty text.
    """
    lines = [line for line in ending.last_lines if line.strip()]
    text = said.strip() or (lines[-1].strip() if lines else "See job logs for more information")
    return f"AlgorithmError: {text[:900]}, exit code: {ending.status}"
