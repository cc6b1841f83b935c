"""The fate of a dropped file: a clip of the index, a duplicate of one, or quarantine.

Two kinds of record decide it. A *key record* says what became of the newest known object under a key; a *clip* says
which key holds a content. Invariants, whatever the order and number of events:

1. A key has one record, and that of the newest object seen wins: S3's sequencer orders objects under one key.
2. A content has at most one clip, so nothing is trained twice.
3. The same content under the same label again is a duplicate. Under another label the newest drop wins, and the
   former owner becomes the duplicate: moving a clip to the right folder corrects it.
4. An overwritten key gives up the clip of its former content.
5. The same event again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from earshot_pipeline.naming import ClipName


class KeyState(StrEnum):
    """What became of the object under a key."""

    CLIP = "clip"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class Drop:
    """An object that was created in the clips bucket.

    Attributes:
        key: its key.
        version_id: S3's version id.
        sequencer: S3's hexadecimal order of events under one key; "" when unknown.
        size: bytes.
        at: when, in seconds since the epoch.
    """

    key: str
    version_id: str
    sequencer: str
    size: int
    at: float


@dataclass(frozen=True)
class KeyRecord:
    """What became of the newest object under a key.

    Attributes:
        key: the key.
        state: its fate.
        version_id: the object's version.
        sequencer: the object's place in the key's order.
        sha256: the content, hex; "" for what was quarantined unread.
        reason: why it was quarantined; "" otherwise.
        at: when it was dropped, in seconds since the epoch.
    """

    key: str
    state: KeyState
    version_id: str
    sequencer: str
    sha256: str
    reason: str
    at: float


@dataclass(frozen=True)
class Clip:
    """A content of the index and the key that holds it.

    Attributes:
        sha256: the content, hex.
        key: the key that holds it.
        version_id: the object's version.
        label: what is said in it.
        speaker: who says it.
        at: when it was dropped, in seconds since the epoch.
    """

    sha256: str
    key: str
    version_id: str
    label: str
    speaker: str
    at: float


@dataclass(frozen=True)
class Fate:
    """What is to be written for one drop, all of it or nothing.

    Attributes:
        record: the key's new record.
        replaces: its record before; None for a key never seen.
        clip: the clip to write; None when the drop owns none.
        owner: the clip that this content had before; None when it had none.
        released: sha256 of the content that the key gave up; "" when there is none.
        counts: changes of the counters by name.
    """

    record: KeyRecord
    replaces: KeyRecord | None
    clip: Clip | None = None
    owner: Clip | None = None
    released: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def demoted(self) -> str:
        """The key that loses its clip to this drop and becomes its duplicate; "" when there is none."""
        return self.owner.key if self.clip and self.owner and self.owner.key != self.record.key else ""


def is_news(drop: Drop, known: KeyRecord | None) -> bool:
    """Whether the drop is newer than what is known of its key."""
    return known is None or order(drop) > order(known)


def order(seen: "Drop | KeyRecord") -> tuple[str, float]:
    """Sorts what was seen under one key from oldest to newest."""
    # Sequencers are hexadecimal numbers of varying length. Where there is none, the time of the event must do.
    return seen.sequencer.upper().rjust(64, "0"), 0.0 if seen.sequencer else seen.at


def quarantine(drop: Drop, reason: str, known: KeyRecord | None, sha256: str = "") -> Fate:
    """The fate of a file that cannot be a clip."""
    record = KeyRecord(drop.key, KeyState.QUARANTINED, drop.version_id, drop.sequencer, sha256, reason, drop.at)
    return Fate(record, known, released=_released(known, ""), counts=_counts(known, KeyState.QUARANTINED))


def accept(drop: Drop, name: ClipName, sha256: str, known: KeyRecord | None, owner: Clip | None) -> Fate:
    """The fate of a file whose header is good.

    Args:
        drop: the file.
        name: what its key says.
        sha256: its content.
        known: the key's record so far.
        owner: the clip that has this content so far.
    """
    clip = Clip(sha256, drop.key, drop.version_id, name.label, name.speaker(sha256), drop.at)
    if owner is not None and owner.key != drop.key and not _takes_over(clip, owner):
        record = KeyRecord(drop.key, KeyState.DUPLICATE, drop.version_id, drop.sequencer, sha256, "", drop.at)
        return Fate(
            record, known, owner=owner, released=_released(known, sha256), counts=_counts(known, KeyState.DUPLICATE)
        )
    record = KeyRecord(drop.key, KeyState.CLIP, drop.version_id, drop.sequencer, sha256, "", drop.at)
    counts = dict(_counts(known, KeyState.CLIP))
    if owner is not None and owner.key != drop.key:
        _add(counts, "ingested", -1)
        _add(counts, "duplicate", 1)
    return Fate(record, known, clip, owner, _released(known, sha256), counts)


def _takes_over(clip: Clip, owner: Clip) -> bool:
    return clip.label != owner.label and (clip.at, clip.key) > (owner.at, owner.key)


def _released(known: KeyRecord | None, sha256: str) -> str:
    if known is None or known.state is not KeyState.CLIP or known.sha256 == sha256:
        return ""
    return known.sha256


_COUNTER = {KeyState.CLIP: "ingested", KeyState.DUPLICATE: "duplicate", KeyState.QUARANTINED: "quarantined"}


def _counts(known: KeyRecord | None, state: KeyState) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    if known is not None:
        _add(counts, _COUNTER[known.state], -1)
    _add(counts, _COUNTER[state], 1)
    return counts


def _add(counts: dict[str, int], name: str, change: int) -> None:
    total = counts.get(name, 0) + change
    if total:
        counts[name] = total
    else:
        counts.pop(name, None)
