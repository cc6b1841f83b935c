"""Runs as the pipeline's table has them (docs/contracts.md, section 12)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Key

from earshot.errors import EarshotError
from earshot.target import Target

PHASES = ("preprocess", "train", "release")
ENDS = ("released", "rejected", "failed", "superseded")
FATES = ("ingested", "duplicate", "quarantined")


def query(target: Target, partition: str) -> Iterator[dict[str, Any]]:
    """All items of one partition of the table, in the order of their sort keys."""
    table = target.resource("dynamodb").Table(target.outputs["Table"])
    more: dict[str, Any] = {}
    while True:
        page = table.query(KeyConditionExpression=Key("pk").eq(partition), ConsistentRead=True, **more)
        for item in page["Items"]:
            yield plain(item)
        if "LastEvaluatedKey" not in page:
            return
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def plain(value: Any) -> Any:
    """DynamoDB's numbers as Python's."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def list_runs(target: Target) -> list[dict[str, Any]]:
    """Every run, newest first."""
    return list(query(target, "RUNS"))[::-1]


def get_run(target: Target, run: str) -> dict[str, Any]:
    """One run.

    Raises:
        EarshotError: There is none of this name.
    """
    table = target.resource("dynamodb").Table(target.outputs["Table"])
    item = table.get_item(Key={"pk": "RUNS", "sk": run}, ConsistentRead=True).get("Item")
    if item is None:
        raise EarshotError(f"no run {run}: `earshot runs` lists them")
    found: dict[str, Any] = plain(item)
    return found


def pipeline(target: Target) -> dict[str, Any]:
    """The item that runs compete for: the active run, and whether clips wait."""
    return next(query(target, "PIPELINE"), {})


def counts(target: Target) -> dict[str, int]:
    """Clips by what became of them: ingested, duplicate, quarantined; and those that wait for a run."""
    totals = dict.fromkeys(FATES, 0)
    for item in query(target, "COUNTERS"):
        for fate in FATES:
            totals[fate] += item.get(fate, 0)
    return totals


def quarantine(target: Target) -> dict[str, str]:
    """Key → reason of every clip in quarantine."""
    return {item["sk"]: item["reason"] for item in query(target, "QUARANTINE")}


def summary(run: dict[str, Any]) -> dict[str, Any]:
    """A run in the form of build/demo/summary.json; what has not happened yet is None."""
    card = run.get("card") or {}
    metrics = card.get("metrics", {})
    test = metrics.get("test", {})
    return {
        "id": run["id"],
        "state": run["state"],
        "version": run.get("version") or None,
        "clips_new": run["clips_new"],
        "clips_total": run["clips_total"],
        "seconds": {phase: _seconds(run["times"], phase) for phase in PHASES},
        "accuracy": {kind: test.get("accuracy", {}).get(kind) for kind in ("float", "int8")},
        "confusion": test.get("confusion"),
        "false_alarm_rate": test.get("false_alarm_rate"),
        # Empty where nothing was played: there was no audio to make a stream of.
        "streaming": {
            name: value for name, value in (metrics.get("streaming") or {}).items() if not isinstance(value, list)
        },
        "model_bytes": card.get("model_bytes"),
        "arena_bytes": card.get("arena_bytes"),
        "frontend": card.get("frontend"),
    }


def false_alarms_per_hour(run: dict[str, Any]) -> float | None:
    """Words that a run's model heard an hour of recordings without them; None when that was not measured."""
    streaming = ((run.get("card") or {}).get("metrics") or {}).get("streaming") or {}
    measured: float | None = streaming.get("false_alarms_per_hour")
    return measured


def _seconds(times: dict[str, float], phase: str) -> float | None:
    begin, end = times.get(f"{phase}_start"), times.get(f"{phase}_end")
    return None if begin is None or end is None else round(end - begin, 3)


def job_logs(target: Target, run: dict[str, Any]) -> list[tuple[str, str]]:
    """(job name, log group) of the job that a run waits for."""
    kinds = {"preprocessing": ("preprocess", "ProcessingJobs"), "training": ("train", "TrainingJobs")}
    if run["state"] not in kinds:
        return []
    job, group = kinds[run["state"]]
    return [(f"{target.stack}-{run['id']}-{job}", f"/aws/sagemaker/{group}")]
