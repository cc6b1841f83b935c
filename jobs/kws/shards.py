"""Feature shards: rows of features with the clips that they came from (`earshot.features/1`).

A shard is an uncompressed .npz. Its zip entries carry no time and no machine, so the same rows give the
same bytes.
"""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SCHEMA = "earshot.features/1"

_EPOCH = (1980, 1, 1, 0, 0, 0)


class ShardError(ValueError):
    """A shard that cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Rows:
    """Rows of features.

    Attributes:
        frontend: id of the front end.
        features: int8 (n, frames, channels).
        clip: U64 (n,), sha256 of the clip's file, or the name of a generated clip.
        label: U32 (n,).
        split: U10 (n,).
        copy: uint8 (n,), 0 for the clip itself, from 1 for augmented copies.
    """

    frontend: str
    features: npt.NDArray[np.int8]
    clip: npt.NDArray[np.str_]
    label: npt.NDArray[np.str_]
    split: npt.NDArray[np.str_]
    copy: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.features)


def save(path: Path, rows: Rows) -> None:
    """Writes a shard; the same rows give the same bytes."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "frontend": np.array(rows.frontend, "U64"),
        "features": rows.features.astype(np.int8),
        "clip": rows.clip.astype("U64"),
        "label": rows.label.astype("U32"),
        "split": rows.split.astype("U10"),
        "copy": rows.copy.astype(np.uint8),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), entry.getvalue())


def load(path: Path, shape: tuple[int, int]) -> Rows:
    """Reads a shard.

    Args:
        path: the file.
        shape: (frames, channels) that its features must have.

    Raises:
        ShardError: not a shard, arrays missing or of the wrong type or length.
    """
    wanted = {"frontend": "U", "features": "i1", "clip": "U", "label": "U", "split": "U", "copy": "u1"}
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in wanted}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise ShardError(f"{path.name}: not a feature shard ({error}); preprocess its run again") from error
    count = len(arrays["features"]) if arrays["features"].ndim else -1
    for name, kind in wanted.items():
        array = arrays[name]
        sized = array.shape == () if name == "frontend" else array.shape[:1] == (count,)
        if not np.issubdtype(array.dtype, np.dtype(kind).type) or not sized:
            raise ShardError(f"{path.name}: array {name} is {array.dtype} {array.shape}; preprocess its run again")
    if arrays["features"].shape[1:] != shape:
        raise ShardError(f"{path.name}: features of {arrays['features'].shape[1:]}, not {shape}; preprocess again")
    return Rows(**{**arrays, "frontend": str(arrays["frontend"])})


def join(parts: Iterable[Rows], frontend: str, shape: tuple[int, int]) -> Rows:
    """All rows of parts, in their order; an empty set of rows for no parts."""
    empty = Rows(
        frontend,
        np.zeros((0, *shape), np.int8),
        np.zeros(0, "U64"),
        np.zeros(0, "U32"),
        np.zeros(0, "U10"),
        np.zeros(0, np.uint8),
    )
    every = [empty, *parts]
    return Rows(
        frontend,
        *(
            np.concatenate([getattr(rows, name) for rows in every])
            for name in ("features", "clip", "label", "split", "copy")
        ),
    )
