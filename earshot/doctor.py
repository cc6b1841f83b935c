"""What this machine has and lacks, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import botocore.exceptions

from earshot.errors import EarshotError
from earshot.project import DEVICE_PROGRAM, ROOT
from earshot.target import Target

FREE_BYTES = 4 << 30
TOOLS = {  # program → (needed, what for, what to do)
    "make": (True, "builds everything", "apt-get install make"),
    "gcc": (True, "compiles the board program", "apt-get install gcc libc6-dev"),
    "git": (False, "fetches and records this project", "apt-get install git"),
    "arm-none-eabi-gcc": (False, "Cortex-M4 builds", "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"),
    "qemu-system-arm": (False, "runs them", "apt-get install qemu-system-arm"),
    "cppcheck": (False, "checks the firmware's C", "apt-get install cppcheck"),
}
ENVIRONMENTS = {
    "main": ("python", True),
    "jobs": ("python", True),
    "lambda": ("python", True),
    "sam": ("sam", True),
    "sdk": ("python", False),
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str
    found: str | None
    needed: bool
    remedy: str

    @property
    def is_fatal(self) -> bool:
        """Whether the main job cannot run for the lack of it."""
        return self.needed and self.found is None


def look() -> Iterator[Finding]:
    """Look at everything the project uses."""
    enough = sys.version_info >= (3, 11)
    yield Finding("python ≥ 3.11", platform.python_version() if enough else None, True, "install Python 3.11 or newer")
    for tool, (needed, purpose, remedy) in TOOLS.items():
        yield Finding(f"{tool} ({purpose})", shutil.which(tool), needed, remedy)
    for name, (executable, needed) in ENVIRONMENTS.items():
        path = ROOT / ".venv" / name / "bin" / executable
        yield Finding(f".venv/{name}", str(path) if path.exists() else None, needed, "make setup")
    yield Finding("board program", str(DEVICE_PROGRAM) if DEVICE_PROGRAM.exists() else None, False, "make firmware")
    yield Finding("job isolation", _isolation(), False, "without it jobs see /opt/ml by environment variables; no harm")
    free = shutil.disk_usage(ROOT).free
    yield Finding("disk space", f"{free >> 30} GiB free" if free > FREE_BYTES else None, True, "free 4 GiB")
    yield Finding("AWS credentials", _credentials(), False, "aws configure (only for an AWS account)")


def look_at_updates(choose: Callable[[], Target]) -> Iterator[Finding]:
    """Look whether the stack signs its updates; nothing where there is no way to ask."""
    from earshot import keys

    name = "signed updates (what boards trust)"
    try:
        roles = list(keys.show(choose()))
    except EarshotError as error:
        yield Finding(name, None, False, str(error))
        return
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
        return
    until = {role.name: role.expires for role in roles if role.expires}
    late = [role for role, expires in until.items() if expires < datetime.now(UTC)]
    found = ", ".join(f"{role} until {expires:%Y-%m-%d}" for role, expires in until.items())
    remedy = f"{', '.join(late)} expired: `earshot keys rotate` for root, else read the log of refresh-timestamp"
    yield Finding(name, None if late else found, False, remedy)


def _isolation() -> str | None:
    unshare = shutil.which("unshare")
    if not unshare:
        return None
    probe = subprocess.run([unshare, "-Urm", "true"], capture_output=True, check=False)
    return "mount namespaces" if probe.returncode == 0 else None


def _credentials() -> str | None:
    import boto3

    found = boto3.Session().get_credentials()
    return (os.environ.get("AWS_PROFILE") or found.method) if found else None
