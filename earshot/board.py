"""What a model costs on the board: the count of jobs/kws, run as a process."""

from __future__ import annotations

import subprocess
from pathlib import Path

from earshot.evaluate import command, environment
from earshot.project import build_firmware


def count(model: Path, arguments: list[str]) -> int:
    """Run a model on an emulated Cortex-M4, printing what it costs.

    Returns:
        Its exit status: 0 where the answers equal TensorFlow Lite Micro's.

    Raises:
        EarshotError: the firmware cannot be built for a Cortex-M4 here.
    """
    build_firmware("host", "mps2")
    return subprocess.run(command("kws.count", str(model), *arguments), env=environment(), check=False).returncode
