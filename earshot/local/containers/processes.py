"""Processes that stand for containers: started in a group of their own, and surely ended.

Every process carries the mark of the local cloud that started it, in its
environment: whatever slips out of its group is found by the mark, by the
cloud itself when a job ends and by the next start after a crash.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CLOUD_MARK = "EARSHOT_LOCAL_CLOUD"
CONTAINER_MARK = "EARSHOT_LOCAL_CONTAINER"
GRACE_SECONDS = 30.0

# The kernel ends a container when the thread that started it ends, so one thread starts them all and never ends.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="container-starter")


class ContainerProcess:
    """A running container."""

    def __init__(self, command: list[str], environment: dict[str, str], mark: str) -> None:
        """Start it.

        Args:
            command: as `sandbox.enclosed` gives it.
            environment: all of its environment; nothing is inherited but the cloud's mark.
            mark: names this container among all.
        """
        self._mark = mark
        marks = {CLOUD_MARK: os.environ.get(CLOUD_MARK, ""), CONTAINER_MARK: mark}
        self._process = _STARTER.submit(
            subprocess.Popen[bytes],
            command,
            env={**environment, **marks},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ).result()

    @property
    def pid(self) -> int:
        """Its process id on this machine."""
        return self._process.pid

    @property
    def output(self) -> int:
        """File descriptor of its standard output and error, as one stream."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def exit_status(self) -> int | None:
        """Give the exit status as Docker would (128 + signal), or None while it runs."""
        status = self._process.poll()
        return None if status is None else (128 - status if status < 0 else status)

    def interrupt(self) -> None:
        """Ask it to end, as StopTrainingJob does (SIGTERM)."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all it started, now."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        kill_marked(CONTAINER_MARK, self._mark)

    def close(self) -> None:
        """End what it left behind and let go of its output."""
        self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Ask it to end, wait, and end it."""
        self.interrupt()
        deadline = time.monotonic() + grace
        while self.exit_status() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def kill_marked(name: str, value: str) -> int:
    """Kill every process whose environment says `name=value`, except this one; answers how many."""
    wanted = f"{name}={value}".encode()
    found = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in environment:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(entry.name), signal.SIGKILL)
                found += 1
    return found
