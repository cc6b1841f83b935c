"""Dataset manifests: which clips a dataset holds, a JSON line each (`earshot.dataset/1`)."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from kws.labels import BACKGROUND_NOISE
from kws.splits import SPLITS


class DatasetError(ValueError):
    """A manifest that cannot be used; the message says which line and why."""


@dataclass(frozen=True)
class Clip:
    """A line of a dataset manifest."""

    key: str
    version_id: str
    sha256: str
    label: str
    speaker: str
    split: str
    run: str

    @property
    def is_noise(self) -> bool:
        """Whether it is a recording of background noise rather than a clip of a second."""
        return self.label == BACKGROUND_NOISE


_FIELDS = tuple(Clip.__dataclass_fields__)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse(text: str, name: str) -> list[Clip]:
    """Clips of a manifest.

    Args:
        text: JSON lines.
        name: what to call it in errors.

    Raises:
        DatasetError: a line that is no clip, or a key that stands twice.
    """
    clips: dict[str, Clip] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        clip = _parse_line(line, f"{name}, line {number}")
        if clip.key in clips:
            raise DatasetError(f"{name}, line {number}: {clip.key} stands there twice; make the manifest anew")
        clips[clip.key] = clip
    return list(clips.values())


def _parse_line(line: str, where: str) -> Clip:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{where}: not JSON ({error}); make the manifest anew") from error
    if not isinstance(fields, dict) or any(not isinstance(fields.get(f), str) for f in _FIELDS):
        raise DatasetError(f"{where}: a clip needs the text fields {', '.join(_FIELDS)}; make the manifest anew")
    clip = Clip(**{f: fields[f] for f in _FIELDS})
    if not _SHA256.fullmatch(clip.sha256):
        raise DatasetError(f"{where}: sha256 {clip.sha256!r} is not 64 hex digits; make the manifest anew")
    if clip.split not in SPLITS:
        raise DatasetError(f"{where}: split {clip.split!r} is none of {', '.join(SPLITS)}; make the manifest anew")
    return clip


def read(path: Path) -> tuple[list[Clip], str]:
    """Clips of a manifest file, and the sha256 that identifies the dataset.

    Raises:
        DatasetError: the file is missing, not UTF-8, or not a manifest.
    """
    try:
        content = path.read_bytes()
        text = content.decode()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); pass the dataset's manifest") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not UTF-8; make the manifest anew") from error
    return parse(text, path.name), hashlib.sha256(content).hexdigest()
