"""A container's output, line by line into CloudWatch Logs while it runs."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

from earshot.local.emulator import Emulator, ServiceError

_TARGET = "Logs_20140328."
_BATCH_SECONDS = 0.2
_LONGEST_LINE = 200_000
_KEPT_LINES = 50


class LogStream:
    """One log stream, made with its group when it is first needed."""

    def __init__(self, emulator: Emulator, group: str, stream: str) -> None:
        """Make group and stream.

        Args:
            emulator: where the logs are.
            group: such as `/aws/sagemaker/TrainingJobs`.
            stream: such as `<job>/algo-1-1700000000`.
        """
        self._emulator = emulator
        self._names = {"logGroupName": group, "logStreamName": stream}
        self._create("CreateLogGroup", {"logGroupName": group})
        self._create("CreateLogStream", self._names)

    def put(self, lines: list[str]) -> None:
        """Append lines, all of this moment; empty ones are dropped, as CloudWatch refuses them."""
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines if line.strip()]
        if events:
            self._emulator.call_json("logs", f"{_TARGET}PutLogEvents", {**self._names, "logEvents": events})

    def _create(self, action: str, request: dict[str, str]) -> None:
        try:
            self._emulator.call_json("logs", _TARGET + action, request)
        except ServiceError as error:
            if b"ResourceAlreadyExists" not in error.body:
                raise


class OutputPump:
    """Reads a container's output, in a thread, until it ends."""

    def __init__(self, descriptor: int, log: LogStream, watch: Callable[[str], None] | None = None) -> None:
        """Begin to read.

        Args:
            descriptor: the pipe's reading end.
            log: where lines go.
            watch: called with each line, for metrics.
        """
        self._descriptor = descriptor
        self._log = log
        self._watch = watch
        self._ended = threading.Event()
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._thread = threading.Thread(target=self._work, name="container-output", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last lines; the container has ended, so its pipe ends too."""
        self._ended.set()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        rest = b""
        while True:
            ready, _, _ = select.select([self._descriptor], [], [], _BATCH_SECONDS)
            if not ready:
                if self._ended.is_set():
                    break
                continue
            chunk = os.read(self._descriptor, 1 << 16)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines.append(rest)
                rest = b""
            self._take(lines)
            time.sleep(0.02)  # lets a busy container's lines gather into one call
        self._take([rest] if rest else [])

    def _take(self, lines: list[bytes]) -> None:
        texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
        for text in texts:
            self.last_lines.append(text)
            if self._watch is not None:
                self._watch(text)
        self._log.put(texts)
