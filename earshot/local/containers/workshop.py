"""What every container needs of the local cloud, in one hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from earshot.local.containers.images import Interpreter
from earshot.local.containers.storage import Storage
from earshot.local.emulator import Emulator


@dataclass(frozen=True)
class Workshop:
    """Where containers run.

    Attributes:
        emulator: the other services.
        storage: the account's S3.
        interpreter: what stands for the images' `python3`.
        folder: where the jobs' folders are made.
    """

    emulator: Emulator
    storage: Storage
    interpreter: Interpreter
    folder: Path

    def environment(self) -> dict[str, str]:
        """Give the environment that every container has."""
        return self.interpreter.environment(self.emulator.port)
