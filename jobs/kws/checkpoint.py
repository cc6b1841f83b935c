"""Checkpoints of a training: all that it changes, in one file that is either whole or not there."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_NAME = "checkpoint.npz"

Values = list[npt.NDArray[Any]]


def save(folder: Path, identity: str, about: Any, groups: Sequence[Values]) -> None:
    """Writes the checkpoint in place of the last.

    Args:
        folder: of checkpoints, made where it is missing.
        identity: of the training; another one does not resume from it.
        about: anything that JSON can hold.
        groups: lists of arrays.
    """
    content = io.BytesIO()
    values = {f"g{g}v{v}": value for g, group in enumerate(groups) for v, value in enumerate(group)}
    header = {"identity": identity, "about": about, "groups": [len(group) for group in groups]}
    np.savez(content, allow_pickle=False, header=np.array(json.dumps(header)), **values)
    folder.mkdir(parents=True, exist_ok=True)
    # A job may be killed at any moment: the old checkpoint stays until the new one is whole.
    part = (folder / _NAME).with_suffix(".part")
    part.write_bytes(content.getvalue())
    part.replace(folder / _NAME)


def load(folder: Path, identity: str) -> tuple[Any, list[Values]] | None:
    """What `save` was given; None where there is none, a damaged one or another training's."""
    try:
        with np.load(folder / _NAME, allow_pickle=False) as saved:
            header = json.loads(str(saved["header"]))
            if header["identity"] != identity:
                return None
            groups = [[saved[f"g{g}v{v}"] for v in range(size)] for g, size in enumerate(header["groups"])]
            return header["about"], groups
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
