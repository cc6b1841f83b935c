"""The TUF repository in the releases bucket: how it is read, changed and never broken.

A protocol without I/O: `update` is a generator that asks for one read or write of one file at a time and is sent the
answer. Whoever carries that out (tuf_bucket.py; tests) may stop after any of them, for ever.

What holds at every moment, also between two writes of this and any number of others that do the same:

1. Clients follow timestamp.json → <n>.snapshot.json → <n>.targets.json → targets/<board>/<sha256>.<name>. A file is
   written only after everything that it names; so what timestamp.json leads to is always whole.
2. Every file but timestamp.json is written once (If-None-Match: *) and never deleted: clients that hold older metadata
   can still fetch what it names. A version number belongs to who wrote its file first.
3. timestamp.json is the commit: it is replaced only where it is still the one that was read (If-Match). Who loses
   reads again, merges into what is there now and tries again. Files that were written for nothing stay as orphans, and
   their numbers are skipped.
4. Timestamp's version is its predecessor's plus one; versions of snapshot and targets are numbers above those that the
   replaced timestamp led to. So no version ever falls.
5. What is read is trusted only as a client would trust it: each root signed by the one before and by itself, the rest
   by keys of the last root. Only expiry is not looked at, since renewing what expired is this module's work. So nobody
   who merely writes into the bucket gets metadata of his own signed.
6. Every key of a role that this process holds signs, listed in the root or not: while keys are exchanged, metadata
   carries both signatures, and both the old and the new root's clients take it.
7. A target's version only grows. Of the same version and content its `custom` alone may change, such as the share of
   boards that a candidate is for; of the same version and other content it stays as it is. A target leaves when asked
   to, unless a higher version has come meanwhile.
8. Who does not name what is wanted beforehand is asked for it (`Ask`) after timestamp.json was read, each time anew.
   Since that file is replaced only where it is still the one read, the last commit never states older wishes than one
   before it: a writer that dozed off with an old percentage loses the race and is asked again.
"""

import copy
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from earshot_pipeline.version import Version

METADATA = "tuf/metadata/"
TARGETS = "tuf/targets/"
TIMESTAMP = f"{METADATA}timestamp.json"
_TARGETS_ENTRY, _SNAPSHOT_ENTRY = "targets.json", "snapshot.json"
_RACES = 20
# Of its life; what has less left is signed anew, long before it expires.
_RENEWED_AT = 1 / 3
_COMPACT = JSONSerializer(compact=True)


class UntrustedMetadataError(ValueError):
    """What the bucket holds cannot be built upon; the message names the file, the fault and the remedy."""


class RacedError(RuntimeError):
    """Others were faster again and again; nothing is broken, and it can be tried again."""


# -- what the protocol asks for --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Read:
    """Asks for a file; the answer is a `File`, or None where there is none."""

    key: str


@dataclass(frozen=True)
class Exists:
    """Asks whether there is a file."""

    key: str


@dataclass(frozen=True)
class Claim:
    """Asks to write a file that is not there yet; the answer is whether it was written."""

    key: str
    data: bytes


@dataclass(frozen=True)
class Replace:
    """Asks to write a file where `known` (None: none) is still there; the answer is whether it was written."""

    key: str
    data: bytes
    known: Any


@dataclass(frozen=True)
class File:
    """A file that was read.

    Attributes:
        data: its content.
        tag: whatever `Replace` needs to know it again.
    """

    data: bytes
    tag: Any


@dataclass(frozen=True)
class Ask:
    """Asks what is wanted now; the answer is `Wanted`."""


Request = Read | Exists | Claim | Replace | Ask
Protocol = Generator[Request, Any, "Outcome | None"]


# -- what is wanted, and what came of it -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Offer:
    """A target as it shall be from now on.

    Attributes:
        path: its path in the repository, such as `CY8CPROTO_062_4343W/model.img`.
        content: the file.
        custom: what the metadata says about it; `version` among it.
    """

    path: str
    content: bytes
    custom: Mapping[str, Any]

    def target(self) -> TargetFile:
        """The entry in targets.json."""
        target = TargetFile.from_data(self.path, self.content, ["sha256"])
        target.unrecognized_fields["custom"] = dict(self.custom)
        return target


@dataclass(frozen=True)
class Wanted:
    """What targets there shall be.

    Attributes:
        offers: what shall be offered; other targets stay as they are.
        leaving: targets that shall be offered no more, and up to which version.
    """

    offers: Sequence[Offer]
    leaving: Mapping[str, Version] = field(default_factory=dict)


@dataclass(frozen=True)
class Lifetimes:
    """How long metadata is valid from its signing."""

    targets: timedelta
    snapshot: timedelta
    timestamp: timedelta


@dataclass(frozen=True)
class Signers:
    """Who signs.

    Attributes:
        targets: the keys of targets; none where this process may not sign them.
        online: the keys of snapshot and timestamp.
    """

    targets: Sequence[Signer]
    online: Sequence[Signer]


@dataclass(frozen=True)
class Outcome:
    """What the repository is now.

    Attributes:
        versions: of each role, as timestamp.json leads to them.
        written: the keys written, in order; none where nothing had to change.
        overtaken: offers that were not taken since a higher version is offered already, and that version.
        targets_due: whether targets wait for somebody who may sign them.
        root_expires: when a person must have signed a new root.
    """

    versions: Mapping[str, int]
    written: tuple[str, ...]
    overtaken: Mapping[str, Version]
    targets_due: bool
    root_expires: datetime


@dataclass(frozen=True)
class _State:
    root: Root
    timestamp: Metadata[Timestamp] | None = None
    snapshot: Metadata[Snapshot] | None = None
    targets: Metadata[Targets] | None = None
    known: Any = None
    # The lowest numbers that new files may take.
    next_snapshot: int = 1
    next_targets: int = 1


# -- the protocol ----------------------------------------------------------------------------------------------------


def update(
    offers: Sequence[Offer] | None,
    signers: Signers,
    lifetimes: Lifetimes,
    now: datetime,
    *,
    renew: bool = False,
    anew: bool = False,
) -> Protocol:
    """Bring offers into the repository, and sign anew what expires soon.

    Args:
        offers: what shall be offered; none to renew alone; None to ask for what is wanted.
        signers: who signs.
        lifetimes: how long signatures last.
        now: the time, in UTC.
        renew: sign everything anew that the signers may sign. Without it: timestamp where something else changed or
            there are no offers, the others when a third of their life is left.
        anew: forget what is there and cannot be trusted, and begin with the offers: after keys were stolen.

    Returns:
        What came of it; None where there is no root yet, and so no repository.

    Raises:
        UntrustedMetadataError: what is there is not signed by the root's keys, or the signers are none of them.
        RacedError: others were faster again and again.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    placed: set[str] = set()
    for _ in range(_RACES):
        state = yield from _read(anew=anew)
        if state is None:
            return None
        _check_signers(state.root, signers)
        wanted: Wanted = (yield Ask()) if offers is None else Wanted(offers)
        entries = {offer.path: offer.target() for offer in wanted.offers}
        merged, overtaken = _merge(state.targets, entries, wanted.leaving)
        for offer in wanted.offers:
            content = TARGETS + entries[offer.path].get_prefixed_paths()[0]
            if merged.get(offer.path) is entries[offer.path] and content not in placed:
                yield Claim(content, offer.content)
                placed.add(content)
        nothing_wanted = not wanted.offers and not wanted.leaving
        outcome = yield from _write(state, merged, overtaken, signers, lifetimes, now, renew or nothing_wanted, renew)
        if outcome is not None:
            return outcome
    raise RacedError(f"{TIMESTAMP}: others wrote it {_RACES} times in a row; try again")


def _read(*, anew: bool) -> Generator[Request, Any, _State | None]:
    root = yield from _read_root()
    if root is None:
        return None
    stored: File | None = yield Read(TIMESTAMP)
    if stored is None:
        return _State(root)
    state = _State(root, known=stored.tag)
    try:
        timestamp = _trusted(root, Timestamp, stored.data, TIMESTAMP)
        state = replace(state, timestamp=timestamp, next_snapshot=timestamp.signed.snapshot_meta.version + 1)
        snapshot = yield from _read_signed(root, Snapshot, state.next_snapshot - 1)
        state = replace(state, snapshot=snapshot, next_targets=snapshot.signed.meta[_TARGETS_ENTRY].version + 1)
        return replace(state, targets=(yield from _read_signed(root, Targets, state.next_targets - 1)))
    except UntrustedMetadataError:
        if anew:
            return state
        raise


def _read_root() -> Generator[Request, Any, Root | None]:
    trusted: Root | None = None
    version = 1
    while True:
        key = f"{METADATA}{version}.root.json"
        stored: File | None = yield Read(key)
        if stored is None:
            return trusted
        new = _parsed(Root, stored.data, key)
        for judge in (trusted or new.signed, new.signed):
            _verify(judge, new, key)
        if new.signed.version != version:
            raise UntrustedMetadataError(f"{key}: says that it is version {new.signed.version}")
        trusted, version = new.signed, version + 1


def _read_signed(root: Root, kind: Any, version: int) -> Generator[Request, Any, Any]:
    key = f"{METADATA}{version}.{kind.type}.json"
    stored: File | None = yield Read(key)
    if stored is None:
        raise UntrustedMetadataError(f"{key}: is named by the metadata before it, and is not there")
    trusted = _trusted(root, kind, stored.data, key)
    if trusted.signed.version != version:
        raise UntrustedMetadataError(f"{key}: says that it is version {trusted.signed.version}")
    return trusted


def _trusted(root: Root, kind: Any, data: bytes, key: str) -> Metadata[Any]:
    parsed = _parsed(kind, data, key)
    _verify(root, parsed, key)
    return parsed


def _parsed(kind: Any, data: bytes, key: str) -> Metadata[Any]:
    try:
        parsed: Metadata[Any] = Metadata.from_bytes(data)
    except RepositoryError as fault:
        raise UntrustedMetadataError(f"{key}: cannot be read ({fault})") from fault
    if not isinstance(parsed.signed, kind):
        raise UntrustedMetadataError(f"{key}: holds {parsed.signed.type} metadata")
    return parsed


def _verify(judge: Root, metadata: Metadata[Any], key: str) -> None:
    try:
        judge.verify_delegate(metadata.signed.type, metadata.signed_bytes, metadata.signatures)
    except RepositoryError as fault:
        raise UntrustedMetadataError(
            f"{key}: not signed as root version {judge.version} demands ({fault}); nothing is built upon it."
            " `earshot keys show` says which keys sign"
        ) from fault


def _check_signers(root: Root, signers: Signers) -> None:
    for role, held in (
        (Targets.type, signers.targets),
        (Snapshot.type, signers.online),
        (Timestamp.type, signers.online),
    ):
        listed = set(root.roles[role].keyids)
        if held and len(listed & {signer.public_key.keyid for signer in held}) < root.roles[role].threshold:
            raise UntrustedMetadataError(
                f"root version {root.version} does not know the stack's keys of {role};"
                " `earshot keys rotate --online` makes a root that does"
            )


def _merge(
    targets: Metadata[Targets] | None, entries: Mapping[str, TargetFile], leaving: Mapping[str, Version]
) -> tuple[dict[str, TargetFile], dict[str, Version]]:
    """Targets as they shall be, and the offers that come too late."""
    merged = dict(targets.signed.targets) if targets else {}
    overtaken: dict[str, Version] = {}
    for path, entry in entries.items():
        present = merged.get(path)
        there, offered = version_of(present) if present else None, version_of(entry)
        if present is None or there is None or offered is None or offered > there:
            merged[path] = entry
        elif there > offered:
            overtaken[path] = there
        elif present.hashes == entry.hashes and present != entry:
            merged[path] = entry
    for path, last in leaving.items():
        there = version_of(merged[path]) if path in merged else None
        if there is not None and there <= last:
            del merged[path]
    return merged, overtaken


def version_of(target: TargetFile) -> Version | None:
    """The version that a target's metadata states; None where it states none of this project."""
    try:
        return Version.parse(target.custom["version"])
    except (KeyError, TypeError, ValueError):
        return None


def _write(
    state: _State,
    merged: Mapping[str, TargetFile],
    overtaken: Mapping[str, Version],
    signers: Signers,
    lifetimes: Lifetimes,
    now: datetime,
    timestamp_wanted: bool,
    renew: bool,
) -> Generator[Request, Any, Outcome | None]:
    """Write what has to be written; None where another was faster."""
    expiries = {role: now + life for role, life in vars(lifetimes).items()}
    written: list[str] = []

    def outcome(versions: Mapping[str, int], *, targets_due: bool) -> Outcome:
        return Outcome(versions, tuple(written), overtaken, targets_due, state.root.expires)

    changed = state.targets is None or merged != state.targets.signed.targets
    targets_wanted = changed or renew or _ends_soon(state.targets, lifetimes.targets, now)
    if state.targets is None and not signers.targets:
        return outcome({}, targets_due=True)
    targets = state.targets
    if targets_wanted and signers.targets:
        signed = copy.deepcopy(state.targets.signed) if state.targets else Targets()
        signed.targets, signed.expires = dict(merged), expiries[Targets.type]
        targets = yield from _claim(Metadata(signed), state.next_targets, signers.targets, written)
    assert targets is not None
    snapshot = state.snapshot
    if snapshot is None or targets is not state.targets or renew or _ends_soon(snapshot, lifetimes.snapshot, now):
        signed_snapshot = copy.deepcopy(state.snapshot.signed) if state.snapshot else Snapshot()
        signed_snapshot.meta[_TARGETS_ENTRY] = MetaFile(targets.signed.version)
        signed_snapshot.expires = expiries[Snapshot.type]
        snapshot = yield from _claim(Metadata(signed_snapshot), state.next_snapshot, signers.online, written)
    timestamp = state.timestamp
    targets_due = targets_wanted and targets is state.targets
    if snapshot is not state.snapshot or timestamp_wanted or _ends_soon(timestamp, lifetimes.timestamp, now):
        signed_timestamp = Timestamp(
            version=timestamp.signed.version + 1 if timestamp else 1,
            expires=expiries[Timestamp.type],
            snapshot_meta=MetaFile(snapshot.signed.version),
        )
        timestamp = Metadata(signed_timestamp)
        if not (yield Replace(TIMESTAMP, _signed_bytes(timestamp, signers.online), state.known)):
            return None
        written.append(TIMESTAMP)
    assert timestamp is not None
    versions = {each.signed.type: each.signed.version for each in (targets, snapshot, timestamp)}
    return outcome({Root.type: state.root.version, **versions}, targets_due=targets_due)


def _ends_soon(metadata: Metadata[Any] | None, life: timedelta, now: datetime) -> bool:
    return metadata is not None and metadata.signed.expires - now < life * _RENEWED_AT


def _claim(
    metadata: Metadata[Any], first: int, signers: Sequence[Signer], written: list[str]
) -> Generator[Request, Any, Metadata[Any]]:
    """Write metadata under the first number, from `first` on, that nobody has taken."""
    signed: Signed = metadata.signed
    signed.version = first
    while True:
        key = f"{METADATA}{signed.version}.{signed.type}.json"
        if (yield Claim(key, _signed_bytes(metadata, signers))):
            written.append(key)
            return metadata
        signed.version += 1
        while (yield Exists(f"{METADATA}{signed.version}.{signed.type}.json")):
            signed.version += 1


def _signed_bytes(metadata: Metadata[Any], signers: Sequence[Signer]) -> bytes:
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes(_COMPACT)
