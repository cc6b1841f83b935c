"""A run's dataset, frozen: which clips, of which version, and whose features are already there.

The manifest (`earshot.dataset/1`) is the record of what a model was trained on; equal manifests are equal bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from earshot_pipeline.ingest import Clip
from earshot_pipeline.naming import NOISE_LABEL, split_of

_PLAYED = frozenset({"validation", "test"})
_CLIPS_A_KEYWORD = 200
_CLIPS_A_LABEL = 40


class BadManifestError(ValueError):
    """A dataset manifest cannot be read."""


@dataclass(frozen=True)
class Entry:
    """One clip of a dataset; the field names are the file's.

    Attributes:
        key: the clip's key.
        version_id: the object's version.
        sha256: its content, hex.
        label: what is said in it.
        speaker: who says it.
        split: `train`, `validation` or `test`.
        run: the run whose preprocessing computed, or is to compute, its features.
    """

    key: str
    version_id: str
    sha256: str
    label: str
    speaker: str
    split: str
    run: str


def freeze(clips: Iterable[Clip], base: Iterable[Entry], run: str) -> tuple[Entry, ...]:
    """The dataset of all clips of the index, sorted by key.

    A clip keeps the features that an earlier run computed if it is still the same clip: content, label and speaker
    (which chooses the split) are what features depend on.

    Args:
        clips: the index.
        base: the entries of the dataset before, whose features exist.
        run: the run that computes what is missing.
    """
    done = {(entry.sha256, entry.label, entry.speaker): entry.run for entry in base}
    entries = (
        Entry(
            clip.key,
            clip.version_id,
            clip.sha256,
            clip.label,
            clip.speaker,
            split_of(clip.speaker),
            done.get((clip.sha256, clip.label, clip.speaker), run),
        )
        for clip in clips
    )
    return tuple(sorted(entries, key=lambda entry: entry.key))


def new_entries(entries: Iterable[Entry], run: str) -> tuple[Entry, ...]:
    """The entries that the run must preprocess."""
    return tuple(entry for entry in entries if entry.run == run)


def noise_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The noise recordings, with which training clips are mixed."""
    return tuple(entry for entry in entries if entry.label == NOISE_LABEL)


def audio_entries(entries: Iterable[Entry], keywords: Iterable[str]) -> tuple[Entry, ...]:
    """The recordings that streaming evaluation plays, sorted by key.

    All noise; and of the validation and of the test split each, by sha256, the first 200 clips of each keyword and the
    first 40 of each other label.

    Args:
        entries: a dataset.
        keywords: the words that the model must know.
    """
    words = frozenset(keywords)
    chosen, taken = [], Counter[tuple[str, str]]()
    for entry in sorted(entries, key=lambda entry: entry.sha256):
        if entry.label == NOISE_LABEL:
            chosen.append(entry)
        elif entry.split in _PLAYED:
            place = (entry.split, entry.label)
            taken[place] += 1
            if taken[place] <= (_CLIPS_A_KEYWORD if entry.label in words else _CLIPS_A_LABEL):
                chosen.append(entry)
    return tuple(sorted(chosen, key=lambda entry: entry.key))


def without(entries: Iterable[Entry], rejected: Iterable[str], run: str) -> tuple[Entry, ...]:
    """The dataset without those clips of the run whose sha256 preprocessing rejected."""
    refused = frozenset(rejected)
    return tuple(entry for entry in entries if entry.run != run or entry.sha256 not in refused)


def to_jsonl(entries: Iterable[Entry]) -> bytes:
    """The manifest's bytes: one canonical JSON object a line."""
    lines = (json.dumps(asdict(entry), sort_keys=True, separators=(",", ":")) + "\n" for entry in entries)
    return "".join(lines).encode()


def from_jsonl(data: bytes, name: str) -> tuple[Entry, ...]:
    """Read a manifest.

    Raises:
        BadManifestError: naming the file and the line.
    """
    entries = []
    for number, line in enumerate(data.decode().split("\n"), start=1):
        if not line:
            continue
        try:
            entries.append(Entry(**json.loads(line)))
        except (TypeError, ValueError) as fault:
            raise BadManifestError(f"{name}, line {number}: not an entry of a dataset manifest ({fault})") from fault
    return tuple(entries)


def digest(manifest: bytes) -> str:
    """What identifies a dataset: its manifest's sha256, hex."""
    return hashlib.sha256(manifest).hexdigest()


def manifest_file(prefix: str, keys: Iterable[str]) -> bytes:
    """A SageMaker ManifestFile.

    Args:
        prefix: `s3://bucket/` and a non-empty path; SageMaker keeps the paths below it.
        keys: keys relative to the prefix.
    """
    return json.dumps([{"prefix": prefix}, *keys]).encode()


def runs_of(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The runs whose features make up the dataset, oldest first."""
    return tuple(sorted({entry.run for entry in entries}))
