"""Take in what was dropped: look at each file, decide its fate, write it, and move bad ones to quarantine."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from earshot_pipeline import audio_header, naming
from earshot_pipeline.audio_header import HEAD_BYTES, NOISE_LIMITS, WORD_LIMITS, BadAudioError
from earshot_pipeline.ingest import Clip, Drop, Fate, KeyRecord, KeyState, accept, is_news, order, quarantine
from earshot_pipeline.naming import BadNameError, ClipName
from earshot_pipeline.storage import MAX_CLIP_BYTES, Bucket, GoneError
from earshot_pipeline.table import ConflictError, Table

_THREADS = 16
_ROUNDS = 10
_FATES_A_WRITE = 24
_READ_WHOLE = 65_536


@dataclass(frozen=True)
class Finding:
    """What a look at a file told.

    Attributes:
        name: what its key says; None when it is bad.
        sha256: its content, hex; "" when it was not read.
        fault: why it cannot be a clip; "" when it can.
        gone: it is no longer there, so there is nothing to decide.
    """

    name: ClipName | None = None
    sha256: str = ""
    fault: str = ""
    gone: bool = False


@dataclass(frozen=True)
class Taken:
    """What became of a batch.

    Attributes:
        clips: whether clips are among it that may wait for a run.
        failed: drops that must be tried again.
        counts: changes of the counters by name.
    """

    clips: bool
    failed: frozenset[Drop]
    counts: dict[str, int]


@dataclass(frozen=True)
class Rejection:
    """A clip that preprocessing could not use; the field names are those of its list.

    Attributes:
        key: the clip's key.
        version_id: the object's version.
        sha256: the content that was meant, hex.
        reason: the fault and its remedy.
    """

    key: str
    version_id: str
    sha256: str
    reason: str


@dataclass(frozen=True)
class Intake:
    """Takes files in.

    Attributes:
        bucket: the clips bucket.
        table: the pipeline's table.
    """

    bucket: Bucket
    table: Table

    def take(self, drops: Sequence[Drop]) -> Taken:
        """Decide and write the fate of every drop; the same drops again change nothing."""
        newest: dict[str, Drop] = {}
        for drop in drops:
            other = newest.get(drop.key)
            if other is None or order(drop) > order(other):
                newest[drop.key] = drop
        waiting, findings = list(newest.values()), dict[Drop, Finding]()
        clips, counts = False, dict[str, int]()
        for attempt in range(_ROUNDS):
            known = self.table.key_records(drop.key for drop in waiting)
            clips |= any(record.state is KeyState.CLIP for record in known.values())
            self._finish_removals(waiting, known)
            waiting = [drop for drop in waiting if is_news(drop, known.get(drop.key))]
            self._look(waiting, findings)
            waiting = [drop for drop in waiting if not findings[drop].gone]
            if not waiting:
                break
            fates, waiting = self._decide(waiting, findings, known)
            written, conflicts = self._write(fates, max(1, _FATES_A_WRITE >> attempt))
            waiting += conflicts
            for fate in written:
                clips |= fate.record.state is KeyState.CLIP
                for name, change in fate.counts.items():
                    counts[name] = counts.get(name, 0) + change
        return Taken(clips, frozenset(waiting), counts)

    def reject(self, rejections: Iterable[Rejection]) -> int:
        """Move clips that preprocessing could not use to quarantine; returns how many.

        A key that holds something newer by now is left alone.
        """
        wanted = {rejection.key: rejection for rejection in rejections}
        moved = 0
        for key, record in self.table.key_records(wanted).items():
            rejection = wanted[key]
            if record.version_id != rejection.version_id or record.sha256 != rejection.sha256:
                continue
            drop = Drop(key, record.version_id, record.sequencer, 0, record.at)
            if record.state is KeyState.CLIP:
                fate = quarantine(drop, rejection.reason, record, record.sha256)
                self._write_one(drop, fate)
                moved += 1
            elif record.state is KeyState.QUARANTINED:
                self.bucket.remove(key, record.version_id)
        return moved

    def _write_one(self, drop: Drop, fate: Fate) -> None:
        self._copy(fate)
        self.table.write_fates([fate])
        self.bucket.remove(drop.key, drop.version_id)

    def _finish_removals(self, drops: Iterable[Drop], known: dict[str, KeyRecord]) -> None:
        # The original is deleted last; a crash before that leaves it, and this event comes again.
        for drop in drops:
            record = known.get(drop.key)
            if record and record.state is KeyState.QUARANTINED and record.version_id == drop.version_id:
                self.bucket.remove(drop.key, drop.version_id)

    def _look(self, drops: Iterable[Drop], findings: dict[Drop, Finding]) -> None:
        unseen = [drop for drop in drops if drop not in findings]
        with ThreadPoolExecutor(_THREADS) as pool:
            findings.update(zip(unseen, pool.map(self._inspect, unseen), strict=True))

    def _inspect(self, drop: Drop) -> Finding:
        try:
            name = naming.parse_clip_key(drop.key)
        except BadNameError as fault:
            return Finding(fault=str(fault))
        try:
            return self._inspect_content(drop, name)
        except BadAudioError as fault:
            return Finding(fault=f"{drop.key}: {fault}")
        except GoneError:
            return Finding(gone=True)

    def _inspect_content(self, drop: Drop, name: ClipName) -> Finding:
        limits = NOISE_LIMITS if name.label == naming.NOISE_LABEL else WORD_LIMITS
        if 0 < drop.size <= _READ_WHOLE:
            # As most clips are: its hash needs all of it, and one request costs less than two.
            content = self.bucket.read(drop.key, drop.version_id).data
            audio_header.read_header(content[:HEAD_BYTES], len(content), name.extension, limits)
            return Finding(name, hashlib.sha256(content).hexdigest())
        facts = self.bucket.facts(drop.key, drop.version_id)
        if facts.size > MAX_CLIP_BYTES:
            raise BadAudioError(f"{facts.size} bytes; clips may have {MAX_CLIP_BYTES}, cut it")
        head = self.bucket.read_head(drop.key, HEAD_BYTES, drop.version_id) if facts.size else b""
        audio_header.read_header(head, facts.size, name.extension, limits)
        return Finding(name, facts.sha256 or self.bucket.sha256(drop.key, drop.version_id))

    def _decide(
        self, drops: Sequence[Drop], findings: dict[Drop, Finding], known: dict[str, KeyRecord]
    ) -> tuple[dict[Drop, Fate], list[Drop]]:
        """Fates that touch nothing in common, and the drops to decide when those are written."""
        owners = self.table.clips_of(findings[drop].sha256 for drop in drops if findings[drop].sha256)
        fates: dict[Drop, Fate] = {}
        later: list[Drop] = []
        touched: set[str] = set()
        for drop in drops:
            fate = _fate(drop, findings[drop], known.get(drop.key), owners)
            items = _items(fate)
            if touched & items:
                later.append(drop)
            else:
                touched |= items
                fates[drop] = fate
        return fates, later

    def _write(self, fates: dict[Drop, Fate], size: int) -> tuple[list[Fate], list[Drop]]:
        bad = {drop: fate for drop, fate in fates.items() if fate.record.state is KeyState.QUARANTINED}
        gone: list[Drop] = []
        with ThreadPoolExecutor(_THREADS) as pool:
            for drop, copied in zip(bad, pool.map(self._copy, bad.values()), strict=True):
                if not copied:
                    gone.append(drop)
        drops = [drop for drop in fates if drop not in gone]
        chunks = [drops[start : start + size] for start in range(0, len(drops), size)]
        written: list[Fate] = []
        conflicts: list[Drop] = []
        with ThreadPoolExecutor(4) as pool:
            done = pool.map(lambda chunk: self._write_chunk([fates[drop] for drop in chunk]), chunks)
            for chunk, success in zip(chunks, done, strict=True):
                if success:
                    written += [fates[drop] for drop in chunk]
                else:
                    conflicts += chunk
        stored = {fate.record.key for fate in written}
        for drop in bad:
            if drop.key in stored:
                self.bucket.remove(drop.key, drop.version_id)
        return written, conflicts

    def _write_chunk(self, fates: list[Fate]) -> bool:
        try:
            self.table.write_fates(fates)
        except ConflictError:
            return False
        return True

    def _copy(self, fate: Fate) -> bool:
        record = fate.record
        try:
            self.bucket.copy_to_quarantine(
                record.key, record.version_id, naming.quarantine_key(record.key), record.reason
            )
        except GoneError:
            return False
        return True


def _fate(drop: Drop, finding: Finding, known: KeyRecord | None, owners: dict[str, Clip]) -> Fate:
    if finding.name is None:
        return quarantine(drop, finding.fault, known)
    return accept(drop, finding.name, finding.sha256, known, owners.get(finding.sha256))


def _items(fate: Fate) -> set[str]:
    items = {f"key {fate.record.key}"}
    if fate.demoted:
        items.add(f"key {fate.demoted}")
    if fate.clip is not None:
        items.add(f"clip {fate.clip.sha256}")
    if fate.released:
        items.add(f"clip {fate.released}")
    return items
