"""The pipeline's memory in one DynamoDB table; docs/contracts.md section 12 lists its items.

Every write that depends on what was read carries a condition on it. What must hold together is written in one
transaction: a run with the pipeline's slot, a clip with its key's record and the counters.
"""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from earshot_pipeline.debounce import Arrivals
from earshot_pipeline.gates import Verdict
from earshot_pipeline.ingest import Clip, Fate, KeyRecord, KeyState
from earshot_pipeline.naming import run_id
from earshot_pipeline.run import Action, Approval, Event, Run, RunState, actions, advance, bring, claim, reissue
from earshot_pipeline.version import Version

SHARDS = tuple("0123456789abcdef")
COUNTERS = ("ingested", "duplicate", "quarantined")
_PIPELINE = {"pk": "PIPELINE", "sk": "PIPELINE"}
_BATCH_GET = 100
_ATTEMPTS = 12
_SMALLEST_EXPONENT = -128


class ConflictError(RuntimeError):
    """Somebody else wrote in between; read again and decide anew."""


class UnknownRunError(LookupError):
    """The table has no such run."""


@dataclass(frozen=True)
class Pipeline:
    """The one item that runs compete for.

    Attributes:
        active: the run that holds the slot; "" when none does.
        runs: number of the last run.
        versions: number of the last version.
        dataset: the run whose dataset the next one builds on; "" before the first.
        dataset_clips: clips of that dataset.
        arrivals: clips that no run has claimed.
    """

    active: str = ""
    runs: int = 0
    versions: int = 0
    dataset: str = ""
    dataset_clips: int = 0
    arrivals: Arrivals = field(default_factory=Arrivals)


_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def _pack(value: object) -> Any:
    return _serialize(json.loads(json.dumps(value), parse_float=_decimal))


def _decimal(text: str) -> Decimal:
    """A float as DynamoDB can keep it: what is smaller than its numbers is zero."""
    number = Decimal(text)
    return number if not number or number.adjusted() > _SMALLEST_EXPONENT else Decimal(0)


def _pack_item(item: Mapping[str, object]) -> dict[str, Any]:
    return {name: _pack(value) for name, value in item.items()}


def _unpack_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
    return value


def _code(fault: ClientError) -> str:
    return str(fault.response.get("Error", {}).get("Code", ""))


def _shard_of_key(key: str) -> str:
    return SHARDS[sum(key.encode()) % len(SHARDS)]


@dataclass(frozen=True)
class Table:
    """The table.

    Attributes:
        dynamodb: a boto3 DynamoDB client.
        name: the table's name.
    """

    dynamodb: Any
    name: str

    # -- the pipeline and its runs ------------------------------------------------------------------------------

    def pipeline(self) -> Pipeline:
        """The pipeline's item, as last written."""
        item = self._get(_PIPELINE) or {}
        arrivals = Arrivals(
            item.get("first_arrival"), item.get("last_arrival"), item.get("failures", 0), item.get("failed_at")
        )
        return Pipeline(
            item.get("active", ""),
            item.get("runs", 0),
            item.get("versions", 0),
            item.get("dataset", ""),
            item.get("dataset_clips", 0),
            arrivals,
        )

    def note_arrivals(self, at: float) -> Arrivals:
        """Note that clips arrived; returns what waits now."""
        answer = self.dynamodb.update_item(
            TableName=self.name,
            Key=_pack_item(_PIPELINE),
            UpdateExpression="SET last_arrival = :at, first_arrival = if_not_exists(first_arrival, :at)",
            ExpressionAttributeValues=_pack_item({":at": at}),
            ReturnValues="ALL_NEW",
        )
        item = _unpack_item(answer["Attributes"])
        return Arrivals(item["first_arrival"], item["last_arrival"], item.get("failures", 0), item.get("failed_at"))

    def reserve_wake_up(self, due: float, now: float) -> bool:
        """Whether the caller is the one to make the schedule that wakes the pipeline at `due`.

        One schedule is pending at a time; one that has passed counts for nothing.
        """
        return self._update(
            "SET scheduled_for = :due",
            "attribute_not_exists(scheduled_for) OR scheduled_for <= :now",
            {":due": due, ":now": now},
        )

    def forget_arrivals(self, seen: Arrivals) -> bool:
        """Nothing waits: the clips that arrived are in a dataset already. False when a clip arrived since `seen`."""
        return self._update("REMOVE first_arrival", "last_arrival = :last", {":last": seen.last})

    def claim_run(self, pipeline: Pipeline, at: float) -> Run | None:
        """Make the next run and give it the slot; None when the pipeline is no longer as it was read."""
        run = claim(run_id(pipeline.runs + 1), at)
        condition = "attribute_not_exists(active) AND (attribute_not_exists(runs) OR runs = :runs)"
        values: dict[str, object] = {":run": run.id, ":next": pipeline.runs + 1, ":runs": pipeline.runs}
        if pipeline.arrivals.last is not None:
            condition += " AND last_arrival = :last"
            values[":last"] = pipeline.arrivals.last
        try:
            self._transact(
                [
                    self._pipeline_update("SET active = :run, runs = :next REMOVE first_arrival", condition, values),
                    self._put(_run_item(run), "attribute_not_exists(pk)"),
                ]
            )
        except ConflictError:
            return None
        return run

    def claim_import(self, pipeline: Pipeline, base: Run, imported: str, champion: str, at: float) -> Run | None:
        """Make a run that judges an imported model and give it the slot; clips go on waiting.

        Args:
            pipeline: the pipeline as it was read.
            base: the run on whose dataset the model is judged.
            imported: the model's sha256, hex.
            champion: the bundle to compare it with.
            at: now, in seconds since the epoch.

        Returns:
            The run; None when another run was made since.
        """
        run = bring(base, run_id(pipeline.runs + 1), imported, champion, at)
        values = {":run": run.id, ":next": pipeline.runs + 1, ":runs": pipeline.runs, ":dataset": base.id}
        condition = "attribute_not_exists(active) AND runs = :runs AND dataset = :dataset"
        try:
            self._transact(
                [
                    self._pipeline_update("SET active = :run, runs = :next", condition, values),
                    self._put(_run_item(run), "attribute_not_exists(pk)"),
                ]
            )
        except ConflictError:
            return None
        return run

    def reissue_run(
        self, version: Version, at: float, also: Callable[[Run], Sequence[Mapping[str, Any]]] = lambda _: ()
    ) -> Run:
        """Make a run that releases the model of an earlier version again.

        Args:
            version: the earlier version.
            at: now, in seconds since the epoch.
            also: what is to be written with it, in the same transaction.

        Raises:
            UnknownRunError: when no run has this version.
            ConflictError: when others make runs at the same time again and again.
        """
        item = self._get({"pk": "VERSIONS", "sk": f"{version.number:07d}"})
        if item is None:
            raise UnknownRunError(f"version {version} is not in the table; see `earshot models`")
        released = self.run(item["run"])
        for _ in range(_ATTEMPTS):
            pipeline = self.pipeline()
            run = reissue(released, run_id(pipeline.runs + 1), Version(pipeline.versions + 1), at)
            condition = "runs = :runs AND versions = :versions"
            counted = {":runs": pipeline.runs, ":versions": pipeline.versions}
            values = counted | {":run": pipeline.runs + 1, ":version": pipeline.versions + 1}
            more = also(run)
            try:
                self._transact(
                    [
                        self._pipeline_update("SET runs = :run, versions = :version", condition, values),
                        self._put(_run_item(run), "attribute_not_exists(pk)"),
                        self._put(_version_item(run)),
                        *more,
                    ]
                )
            except ConflictError:
                continue
            return run
        raise ConflictError("runs are made too often at this moment; try again")

    def run(self, run: str) -> Run:
        """A run.

        Raises:
            UnknownRunError: when there is none of this id.
        """
        item = self._get({"pk": "RUNS", "sk": run})
        if item is None:
            raise UnknownRunError(f"run {run} is not in the table")
        return _run_of_item(item)

    def runs(self) -> Iterator[Run]:
        """All runs, oldest first."""
        for item in self._query("RUNS"):
            yield _run_of_item(item)

    def recent_runs(self, count: int) -> tuple[Run, ...]:
        """The last runs, newest first."""
        answer = self.dynamodb.query(
            TableName=self.name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=_pack_item({":pk": "RUNS"}),
            ConsistentRead=True,
            ScanIndexForward=False,
            Limit=count,
        )
        return tuple(_run_of_item(_unpack_item(item)) for item in answer["Items"])

    def versions_in(self, states: frozenset[RunState]) -> tuple[str, ...]:
        """The runs of versions in one of these states, lowest version first."""
        return tuple(item["run"] for item in self._query("VERSIONS") if item["state"] in states)

    def advance(self, run: str, event: Callable[[Run], Event]) -> tuple[Run, tuple[Action, ...]]:
        """Tell a run what happened and write what follows.

        Args:
            run: the run's id.
            event: makes the event from the run as it is; called again when somebody else wrote in between.

        Returns:
            The run afterwards and what its state asks for.

        Raises:
            UnknownRunError: when there is no such run.
        """
        for _ in range(_ATTEMPTS):
            before = self.run(run)
            after, demanded = advance(before, event(before))
            if after == before:
                return after, demanded
            try:
                return self._save(before, after), demanded
            except ConflictError:
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - spreads retries, protects nothing
        raise ConflictError(f"run {run} is written too often to be changed; it will be tried again")

    def demanded(self, run: str) -> tuple[Run, tuple[Action, ...]]:
        """A run and what its state asks for."""
        found = self.run(run)
        return found, actions(found)

    def _save(self, before: Run, after: Run) -> Run:
        after = replace(after, revision=before.revision + 1)
        writes = [self._put(_run_item(after), "revision = :revision", {":revision": before.revision})]
        if after.version is not None:
            writes.append(self._put(_version_item(after)))
        sets, removes, conditions = [], [], []
        values: dict[str, object] = {}
        if before.version is None and after.version is not None:
            sets.append("versions = :version")
            conditions.append("(attribute_not_exists(versions) OR versions = :before)")
            values |= {":version": after.version.number, ":before": after.version.number - 1}
        # An imported model took no clips: it makes no dataset, and its failure is none of theirs.
        if not after.imported and before.state is RunState.TRAINING and after.state is RunState.REGISTERING:
            sets += ["dataset = :run", "dataset_clips = :clips", "failures = :none"]
            values |= {":run": after.id, ":clips": after.clips_total, ":none": 0}
        if before.holds_slot and not after.holds_slot:
            removes.append("active")
            conditions.append("active = :owner")
            values[":owner"] = after.id
        if not after.imported and after.state is RunState.FAILED and before.state in _GIVES_BACK:
            sets += ["failures = if_not_exists(failures, :zero) + :one", "failed_at = :ended"]
            values |= {":zero": 0, ":one": 1, ":ended": after.times["ended"]}
        if sets or removes:
            expression = (f"SET {', '.join(sets)} " if sets else "") + (
                f"REMOVE {', '.join(removes)}" if removes else ""
            )
            writes.append(self._pipeline_update(expression, " AND ".join(conditions), values))
        self._transact(writes)
        return after

    # -- clips ----------------------------------------------------------------------------------------------------

    def key_records(self, keys: Iterable[str]) -> dict[str, KeyRecord]:
        """What is known of keys."""
        items = self._batch_get([{"pk": f"KEYS#{_shard_of_key(key)}", "sk": key} for key in dict.fromkeys(keys)])
        return {item["sk"]: _record_of_item(item) for item in items}

    def clips_of(self, contents: Iterable[str]) -> dict[str, Clip]:
        """The clips that hold these contents, by sha256."""
        items = self._batch_get([{"pk": f"CLIPS#{sha[0]}", "sk": sha} for sha in dict.fromkeys(contents)])
        return {item["sk"]: _clip_of_item(item) for item in items}

    def clips(self) -> tuple[Clip, ...]:
        """The whole index: every clip that is in a dataset or waits for one."""
        with ThreadPoolExecutor(8) as pool:
            shards = pool.map(lambda shard: [_clip_of_item(item) for item in self._query(f"CLIPS#{shard}")], SHARDS)
            return tuple(clip for shard in shards for clip in shard)

    def write_fates(self, fates: Sequence[Fate]) -> None:
        """Write fates in one transaction, all or none: at most 24, no two of the same key or content.

        Raises:
            ConflictError: when what one of them was decided on has changed.
        """
        counts = dict.fromkeys(COUNTERS, 0)
        writes = []
        for fate in fates:
            writes += self._fate_writes(fate)
            for name, change in fate.counts.items():
                counts[name] += change
        changed = {name: change for name, change in counts.items() if change}
        if changed:
            expression = "ADD " + ", ".join(f"{name} :{name}" for name in changed)
            shard = random.choice(SHARDS)  # noqa: S311 - spreads writes, protects nothing
            writes.append(
                self._write_update(
                    {"pk": "COUNTERS", "sk": shard}, expression, "", {f":{name}": n for name, n in changed.items()}
                )
            )
        self._transact(writes)

    def _fate_writes(self, fate: Fate) -> list[dict[str, Any]]:
        record, before = fate.record, fate.replaces
        condition, values = "attribute_not_exists(pk)", {}
        if before is not None:
            condition = "version_id = :version AND sequencer = :sequencer AND #state = :state"
            values = {":version": before.version_id, ":sequencer": before.sequencer, ":state": before.state.value}
        writes = [self._put(_record_item(record), condition, values)]
        if fate.clip is not None:
            owner = fate.owner
            condition = "attribute_not_exists(pk)" if owner is None else "#key = :owner AND version_id = :version"
            values = {} if owner is None else {":owner": owner.key, ":version": owner.version_id}
            writes.append(self._put(_clip_item(fate.clip), condition, values))
        if fate.demoted:
            key = {"pk": f"KEYS#{_shard_of_key(fate.demoted)}", "sk": fate.demoted}
            values = {":duplicate": KeyState.DUPLICATE.value, ":clip": KeyState.CLIP.value, ":sha": record.sha256}
            writes.append(
                self._write_update(key, "SET #state = :duplicate", "#state = :clip AND sha256 = :sha", values)
            )
        if fate.released:
            key = {"pk": f"CLIPS#{fate.released[0]}", "sk": fate.released}
            writes.append(self._delete(key, "#key = :owner", {":owner": record.key}))
        quarantine = {"pk": "QUARANTINE", "sk": record.key}
        if record.state is KeyState.QUARANTINED:
            writes.append(
                self._put({**quarantine, "reason": record.reason, "version_id": record.version_id, "at": record.at})
            )
        elif before is not None and before.state is KeyState.QUARANTINED:
            writes.append(self._delete(quarantine))
        return writes

    def counters(self) -> dict[str, int]:
        """Keys by fate: `ingested`, `duplicate`, `quarantined`."""
        totals = dict.fromkeys(COUNTERS, 0)
        for item in self._query("COUNTERS"):
            for name in COUNTERS:
                totals[name] += item.get(name, 0)
        return totals

    # -- devices --------------------------------------------------------------------------------------------------

    def device(self, device: str) -> dict[str, Any] | None:
        """A registered device's item."""
        return self._get({"pk": f"DEVICE#{device}", "sk": "DEVICE"})

    def write_report(self, device: str, report: Mapping[str, object], at: float) -> bool:
        """Write a device's report if its counter is larger than the last; returns whether it was."""
        try:
            self.dynamodb.update_item(**self._report_write(device, report, at)["Update"])
        except ClientError as fault:
            if _code(fault) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _report_write(self, device: str, report: Mapping[str, object], at: float) -> dict[str, Any]:
        return self._write_update(
            {"pk": f"DEVICE#{device}", "sk": "DEVICE"},
            "SET #counter = :counter, version = :version, #state = :state, detail = :detail, reported_at = :at",
            "attribute_exists(pk) AND (attribute_not_exists(#counter) OR #counter < :counter)",
            {f":{name}": report[name] for name in ("counter", "version", "state", "detail")} | {":at": at},
        )

    # -- DynamoDB -------------------------------------------------------------------------------------------------

    def _get(self, key: Mapping[str, object]) -> dict[str, Any] | None:
        answer = self.dynamodb.get_item(TableName=self.name, Key=_pack_item(key), ConsistentRead=True)
        return _unpack_item(answer["Item"]) if "Item" in answer else None

    def _query(self, partition: str) -> Iterator[dict[str, Any]]:
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=_pack_item({":pk": partition}),
            ConsistentRead=True,
        )
        for page in pages:
            yield from map(_unpack_item, page["Items"])

    def _batch_get(self, keys: Sequence[Mapping[str, object]]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(keys), _BATCH_GET):
            wanted = [_pack_item(key) for key in keys[start : start + _BATCH_GET]]
            for attempt in range(_ATTEMPTS):
                answer = self.dynamodb.batch_get_item(
                    RequestItems={self.name: {"Keys": wanted, "ConsistentRead": True}}
                )
                yield from map(_unpack_item, answer["Responses"].get(self.name, ()))
                wanted = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
                if not wanted:
                    break
                time.sleep(0.05 * 2**attempt)
            else:
                raise ConflictError("DynamoDB is too busy to answer; it will be tried again")

    def _update(self, expression: str, condition: str, values: Mapping[str, object]) -> bool:
        try:
            self.dynamodb.update_item(
                TableName=self.name,
                Key=_pack_item(_PIPELINE),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=_pack_item(values),
            )
        except ClientError as fault:
            if _code(fault) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _pipeline_update(self, expression: str, condition: str, values: Mapping[str, object]) -> dict[str, Any]:
        return self._write_update(_PIPELINE, expression, condition, values)

    def _write_update(
        self, key: Mapping[str, object], expression: str, condition: str, values: Mapping[str, object]
    ) -> dict[str, Any]:
        return {
            "Update": self._write(condition, values, expression)
            | {"Key": _pack_item(key), "UpdateExpression": expression}
        }

    def _put(
        self, item: Mapping[str, object], condition: str = "", values: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        return {"Put": self._write(condition, values or {}) | {"Item": _pack_item(item)}}

    def _delete(
        self, key: Mapping[str, object], condition: str = "", values: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        return {"Delete": self._write(condition, values or {}) | {"Key": _pack_item(key)}}

    def _write(self, condition: str, values: Mapping[str, object], expression: str = "") -> dict[str, Any]:
        write: dict[str, Any] = {"TableName": self.name}
        names = {f"#{name}": name for name in ("state", "key", "counter") if f"#{name}" in condition + expression}
        if condition:
            write["ConditionExpression"] = condition
        if values:
            write["ExpressionAttributeValues"] = _pack_item(values)
        if names:
            write["ExpressionAttributeNames"] = names
        return write

    def _transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                self.dynamodb.transact_write_items(TransactItems=list(writes))
            except ClientError as fault:
                if _code(fault) != "TransactionCanceledException":
                    raise
                reasons = {reason.get("Code") for reason in fault.response.get("CancellationReasons", ())}
                if "ConditionalCheckFailed" in reasons or not reasons & {"TransactionConflict", "ThrottlingError"}:
                    raise ConflictError(str(fault)) from fault
                time.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 6)))  # noqa: S311 - spreads retries
            else:
                return
        raise ConflictError("DynamoDB's item is too busy to be written; it will be tried again")


# A run that fails before its model was judged gives its clips back: they wait again.
_GIVES_BACK = frozenset({RunState.CLAIMED, RunState.PREPROCESSING, RunState.TRAINING})


def _run_item(run: Run) -> dict[str, Any]:
    return {
        "pk": "RUNS",
        "sk": run.id,
        **asdict(replace(run, version=None, verdicts=())),
        "state": run.state.value,
        "version": str(run.version) if run.version else "",
        "verdicts": [asdict(verdict) for verdict in run.verdicts],
        "approval": run.approval.value if run.approval else "",
    }


def _run_of_item(item: Mapping[str, Any]) -> Run:
    fields = {name: value for name, value in item.items() if name not in ("pk", "sk")}
    return Run(
        **{
            **fields,
            "state": RunState(item["state"]),
            "version": Version.parse(item["version"]) if item["version"] else None,
            "verdicts": tuple(
                Verdict(**{**verdict, "clips": tuple(verdict.get("clips", ()))}) for verdict in item["verdicts"]
            ),
            "approval": Approval(item["approval"]) if item["approval"] else None,
        }
    )


def _version_item(run: Run) -> dict[str, Any]:
    version = run.version
    assert version is not None
    return {
        "pk": "VERSIONS",
        "sk": f"{version.number:07d}",
        "version": str(version),
        "run": run.id,
        "state": run.state.value,
        "package_arn": run.package_arn,
        "bundle": run.bundle,
        "endpoint_done": run.endpoint_done,
        "firmware_done": run.firmware_done,
    }


def _record_item(record: KeyRecord) -> dict[str, Any]:
    return {"pk": f"KEYS#{_shard_of_key(record.key)}", "sk": record.key, **asdict(record), "state": record.state.value}


def _record_of_item(item: Mapping[str, Any]) -> KeyRecord:
    return KeyRecord(
        item["key"],
        KeyState(item["state"]),
        item["version_id"],
        item["sequencer"],
        item["sha256"],
        item["reason"],
        item["at"],
    )


def _clip_item(clip: Clip) -> dict[str, Any]:
    return {"pk": f"CLIPS#{clip.sha256[0]}", "sk": clip.sha256, **asdict(clip)}


def _clip_of_item(item: Mapping[str, Any]) -> Clip:
    return Clip(item["sha256"], item["key"], item["version_id"], item["label"], item["speaker"], item["at"])
