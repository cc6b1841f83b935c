"""Run the evaluation of jobs/kws as a process: the command line does not import the jobs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from earshot.project import JOBS, build_firmware, interpreter

# What each engine needs to be built first.
ENGINES: dict[str, tuple[str, ...]] = {"tflm": (), "firmware": ("host",), "qemu": ("host", "mps2")}


def command(*arguments: str) -> list[str]:
    """A module of the jobs' package, as a command of the jobs' interpreter."""
    return [str(interpreter("jobs")), "-m", *arguments]


def environment() -> dict[str, str]:
    """What the jobs' modules need, started from any folder."""
    return {**os.environ, "PYTHONPATH": str(JOBS), "TF_CPP_MIN_LOG_LEVEL": "3"}


def evaluate(model: Path, clips: Path, arguments: list[str], engine: str) -> int:
    """Evaluate a model on a folder of clips, printing as the evaluation prints.

    Returns:
        Its exit status.
    """
    if ENGINES[engine]:
        build_firmware(*ENGINES[engine])
    run = subprocess.run(
        command("kws.evaluate", str(model), str(clips), "--engine", engine, *arguments), env=environment(), check=False
    )
    return run.returncode
