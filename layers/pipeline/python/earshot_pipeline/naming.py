"""Names: what a clip key says, and what everything that belongs to a run or a version is called.

Every name of a job, model, configuration or file derives from the run id or the version, so that whoever does a thing
a second time asks for the same name and finds it done.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

NOISE_LABEL = "_background_noise_"
SILENCE_LABEL = "_silence_"
CLIP_PREFIX = "clips/"
QUARANTINE_PREFIX = "quarantine/"

_LABEL = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RUN_ID = re.compile(r"r[0-9]{6,}")
_BOARD = re.compile(r"[A-Z0-9_]{1,64}")
_EXTENSIONS = (".wav", ".flac")
_MAX_S3_KEY = 1024
_SPLIT_BUCKETS = 2**27 - 1


class BadNameError(ValueError):
    """A name is not of the form that this project reads; the message says which form is."""


@dataclass(frozen=True)
class ClipName:
    """What a clip's key says about it.

    Attributes:
        key: the object's key, `clips/<label>/<name>`.
        label: the folder's name.
        extension: `.wav` or `.flac`.
    """

    key: str
    label: str
    extension: str

    def speaker(self, sha256: str) -> str:
        """Who speaks: the base name before `_nohash_`, else the first 16 hex digits of the content's sha256."""
        speaker, mark, _ = PurePosixPath(self.key).name.partition("_nohash_")
        return speaker if mark and speaker else sha256[:16]


def is_label(text: str) -> bool:
    """Whether `text` may name a folder of clips."""
    return text in (NOISE_LABEL, SILENCE_LABEL) or _LABEL.fullmatch(text) is not None


def parse_clip_key(key: str) -> ClipName:
    """Read `clips/<label>/<name>.wav|.flac`.

    Raises:
        BadNameError: with the fault and its remedy.
    """
    if not key.startswith(CLIP_PREFIX):
        raise BadNameError(f"{key}: not under {CLIP_PREFIX}; drop clips under {CLIP_PREFIX}<label>/")
    label, slash, name = key.removeprefix(CLIP_PREFIX).partition("/")
    if not slash:
        raise BadNameError(f"{key}: no label folder; put it under {CLIP_PREFIX}<label>/")
    if not is_label(label):
        raise BadNameError(
            f"{key}: the label {label!r} is not a lower-case letter followed by up to 31 of a-z, 0-9 and _; "
            "rename the folder"
        )
    extension = PurePosixPath(name).suffix.lower()
    if extension not in _EXTENSIONS:
        raise BadNameError(f"{key}: not a .wav or .flac file; send PCM WAV or FLAC")
    if not PurePosixPath(name).stem.strip("."):
        raise BadNameError(f"{key}: a file name is missing before {extension}; give it one")
    return ClipName(key, label, extension)


def is_folder_marker(key: str, size: int) -> bool:
    """Whether the object is what consoles make to show an empty folder: nothing to judge."""
    return key.endswith("/") and size == 0


def quarantine_key(key: str) -> str:
    """Where a bad clip is moved; a key too long to carry the prefix is named by its hash."""
    moved = QUARANTINE_PREFIX + key
    if len(moved.encode()) <= _MAX_S3_KEY:
        return moved
    return QUARANTINE_PREFIX + hashlib.sha256(key.encode()).hexdigest() + PurePosixPath(key).suffix[:8]


def split_of(speaker: str) -> str:
    """Split by speaker, never by file: Speech Commands' own rule with 10 % validation and 10 % test."""
    # The hash only spreads speakers evenly; nothing is protected by it.
    digest = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16)
    percent = digest % (_SPLIT_BUCKETS + 1) * (100.0 / _SPLIT_BUCKETS)
    if percent < 10:
        return "validation"
    return "test" if percent < 20 else "train"


def parse_board(text: str) -> str:
    """Check a board's name.

    Raises:
        BadNameError: when it cannot stand in a path and a job document.
    """
    if not _BOARD.fullmatch(text):
        raise BadNameError(f"board {text!r}: use upper-case letters, digits and _")
    return text


def run_id(number: int) -> str:
    """The n-th run's id, `r000007`."""
    if number < 1:
        raise BadNameError(f"run number {number}: runs are counted from 1")
    return f"r{number:06d}"


def processing_job(stack: str, run: str) -> str:
    """The run's processing job."""
    return f"{stack}-{run}-preprocess"


def training_job(stack: str, run: str) -> str:
    """The run's training job."""
    return f"{stack}-{run}-train"


def run_of_job(stack: str, job: str) -> str | None:
    """The run whose processing or training job this is; None for jobs of others."""
    match = re.fullmatch(rf"{re.escape(stack)}-({_RUN_ID.pattern})-(?:preprocess|train)", job)
    return match.group(1) if match else None


def run_of_features_key(key: str) -> str | None:
    """The run that wrote `features/<front end id>/<run>/manifest-<host>.json`; None for other keys."""
    match = re.fullmatch(rf"features/[^/]+/({_RUN_ID.pattern})/manifest-[^/]+\.json", key)
    return match.group(1) if match else None


def dataset_key(run: str, name: str) -> str:
    """A file of the run's frozen dataset."""
    return f"datasets/{run}/{name}"


def features_prefix(frontend: str, run: str) -> str:
    """Where the run's feature shards lie."""
    return f"features/{frontend}/{run}/"


def import_prefix(sha256: str) -> str:
    """Where a model that somebody brought along lies."""
    return f"imports/{sha256}/"
