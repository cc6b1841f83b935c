"""Where things are in a checkout, and which interpreters run what."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from earshot.errors import EarshotError

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
JOBS = ROOT / "jobs"
FIRMWARE = ROOT / "firmware"
DEVICE_PROGRAM = FIRMWARE / "build" / "host" / "earshot-device"
# What emulates a Cortex-M4, and Debian's packages of it.
CORTEX_TOOLS = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
}


def interpreter(environment: str) -> Path:
    """The Python of virtual environment `.venv/<environment>`, or what EARSHOT_<ENVIRONMENT>_PYTHON names."""
    named = os.environ.get(f"EARSHOT_{environment.upper()}_PYTHON")
    path = Path(named) if named else ROOT / ".venv" / environment / "bin" / "python"
    if not path.exists():
        raise EarshotError(f"{path} is missing: run `make setup` in {ROOT}")
    return path


def program(environment: str, name: str) -> Path:
    """A program installed in virtual environment `.venv/<environment>`."""
    path = ROOT / ".venv" / environment / "bin" / name
    if not path.exists():
        raise EarshotError(f"{path} is missing: run `make setup` in {ROOT}")
    return path


def build_firmware(*goals: str) -> None:
    """Compile the firmware; quick when nothing changed.

    Args:
        goals: of firmware/Makefile: `host`, which is the default, for this machine; `mps2` for a Cortex-M4.

    Raises:
        EarshotError: a tool is missing, or the firmware does not compile.
    """
    goals = goals or ("host",)
    if "mps2" in goals:
        for tool, package in CORTEX_TOOLS.items():
            if not shutil.which(tool):
                raise EarshotError(
                    f"{tool} is missing, which the Cortex-M4 is emulated with: apt-get install {package}"
                )
    try:
        made = subprocess.run(
            ["make", "-C", str(FIRMWARE), *goals], capture_output=True, text=True, check=False, timeout=600
        )
    except FileNotFoundError as error:
        raise EarshotError("make is missing: on Debian, apt-get install make gcc libc6-dev") from error
    if made.returncode:
        raise EarshotError(f"the firmware does not compile on this machine (is gcc installed?):\n{made.stderr[-2000:]}")
