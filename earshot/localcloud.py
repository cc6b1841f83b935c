"""The local cloud as a process: start it, find it, stop it.

The cloud itself is `earshot.local`; it runs apart from the command line, so that it outlives a command and Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from earshot.errors import EarshotError
from earshot.project import BUILD, ROOT

DIRECTORY = BUILD / "local"
DEFAULT_PORT = int(os.environ.get("EARSHOT_PORT", "4566"))
START_SECONDS = 90
STOP_SECONDS = 40


@dataclass(frozen=True)
class Running:
    """A local cloud that answers."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        """Its endpoint for AWS clients."""
        return f"http://127.0.0.1:{self.port}"


def _record(directory: Path) -> Path:
    return directory / "server.json"


def _health(port: int, timeout: float = 5.0) -> dict | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_earshot/health", timeout=timeout) as answer:
            body: dict = json.load(answer)
            return body
    except (OSError, ValueError, urllib.error.URLError):
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A zombie is dead, only not yet buried: it counts as gone.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[-1].split()[0] != "Z"
    return True


def status(directory: Path = DIRECTORY) -> Running | None:
    """The local cloud of this checkout, or None where none answers."""
    try:
        running = Running(**json.loads(_record(directory).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    if not _alive(running.pid):
        return None
    health = _health(running.port)
    return running if health and health.get("pid") == running.pid else None


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _choose_port(wanted: int | None) -> int:
    if wanted is not None:
        if not _free(wanted):
            raise EarshotError(f"port {wanted} is in use by another program: choose one with --port or EARSHOT_PORT")
        return wanted
    if _free(DEFAULT_PORT):
        return DEFAULT_PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def up(port: int | None = None, directory: Path = DIRECTORY) -> Running:
    """Start the local cloud, or find the one that runs.

    Args:
        port: Port to listen on; None takes 4566 (or EARSHOT_PORT), and another free one where that is taken.
        directory: Where it keeps its log, its job folders and the record of its process.

    Raises:
        EarshotError: The port is taken, or the cloud does not come up.
    """
    running = status(directory)
    if running:
        if port not in (None, running.port):
            raise EarshotError(f"the local cloud already runs on port {running.port}: `earshot local down` first")
        return running
    down(directory)  # a half-dead one of an earlier start
    directory.mkdir(parents=True, exist_ok=True)
    chosen = _choose_port(port)
    log = directory / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "earshot.local.server", "--dir", str(directory), "--port", str(chosen)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C in the terminal is for the command, not for the cloud
        )
    running = Running(process.pid, chosen)
    _record(directory).write_text(json.dumps(asdict(running)))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            _record(directory).unlink(missing_ok=True)
            raise EarshotError(f"the local cloud ended at once; the end of {log}:\n{_tail(log)}")
        health = _health(chosen, timeout=1.0)
        if health and health.get("pid") == process.pid:
            return running
        time.sleep(0.1)
    down(directory)
    raise EarshotError(f"the local cloud did not answer within {START_SECONDS} s; the end of {log}:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:] if log.exists() else ""


def down(directory: Path = DIRECTORY) -> bool:
    """Stop the local cloud and everything it started.

    Returns:
        Whether one was running.
    """
    try:
        pid = int(json.loads(_record(directory).read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    was_running = _is_server(pid)
    if was_running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _alive(pid) and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError, OSError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.05)
        if _alive(pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    _record(directory).unlink(missing_ok=True)
    return was_running


def _is_server(pid: int) -> bool:
    """Whether the process is our server: a process id is reused after a reboot."""
    try:
        return b"earshot.local.server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        # No /proc (macOS): `ps` knows.
        shown = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False)
        return "earshot.local.server" in shown.stdout


def forget(directory: Path = DIRECTORY) -> None:
    """Remove what a stopped local cloud left on disk."""
    shutil.rmtree(directory, ignore_errors=True)
