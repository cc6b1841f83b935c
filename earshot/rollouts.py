"""Staged rollouts: begin, look at, pause, resume, hurry and end them. The stack's functions do what is asked here."""

from __future__ import annotations

import json
from typing import Any

from earshot import releases, runs
from earshot.errors import EarshotError
from earshot.target import Target

ACTIVE = ("running", "paused")


def list_rollouts(target: Target) -> list[dict[str, Any]]:
    """Every rollout, newest first, with what boards made of it."""
    return [_figures(target, item) for item in reversed(list(runs.query(target, "ROLLOUTS")))]


def get(target: Target, version: str | None) -> dict[str, Any]:
    """A version's rollout, or of none the newest one.

    Raises:
        EarshotError: There is none.
    """
    for item in reversed(list(runs.query(target, "ROLLOUTS"))):
        if version in (None, item["version"]):
            return _figures(target, item)
    what = f"version {version} has no rollout" if version else "there is no rollout"
    raise EarshotError(f"{what}: `earshot rollout start VERSION` begins one, `earshot rollout status` lists them")


def _figures(target: Target, item: dict[str, Any]) -> dict[str, Any]:
    parts = list(runs.query(target, f"ROLLOUT#{item['version']}"))
    groups = item["groups"]
    return {
        "version": item["version"],
        "state": item["state"],
        "group": item["group"],
        "groups": [group["percent"] for group in groups],
        "percent": groups[item["group"]]["percent"] if item["state"] == "running" else 0,
        "confirmed": sum(part.get("confirmed", 0) for part in parts),
        "rejected": sum(part.get("rejected", 0) for part in parts),
        "confirmed_in_group": sum(part.get("confirmed", 0) for part in parts) - item["confirmed_before"],
        "needed_in_group": groups[item["group"]]["success"],
        "reason": item["reason"],
        "reissue": item["reissue"],
        "began": item["began"],
    }


def start(target: Target, version: str, groups: str | None) -> str:
    """Roll a version out: one that waits for approval is approved by this, one that was out goes out anew.

    Returns:
        The version that boards get: another, higher one where the model was out before.

    Raises:
        EarshotError: It cannot be rolled out, or the groups are none.
    """
    from earshot import keys

    if keys.newest_root(target) is None:
        raise EarshotError("only boards that follow signed updates know candidates: run `earshot keys init` first")
    shares = groups or target.parameters.get("RolloutGroups", "100")
    if shares == "100":
        raise EarshotError("the stack releases to all boards at once: give --groups, such as 5,25,100")
    item = releases.find(target, version)
    if item["state"] == "awaiting_approval":
        _ask(target, "UpdatesFunction", {"rollout": version, "want": "plan", "groups": shares})
        releases.decide(target, version, "Approved")
        return version
    if item["state"] not in ("released", "superseded"):
        raise EarshotError(f"{version} is {item['state']}: a version is rolled out that waits for approval or was out")
    answer = _ask(target, "RollbackFunction", {"version": version, "groups": shares})
    return str(answer["version"])


def want(target: Target, version: str | None, what: str, **more: Any) -> dict[str, Any]:
    """Pause, resume, hurry or abort a rollout.

    Args:
        target: The cloud.
        version: Whose rollout; None for the newest.
        what: "pause", "resume", "proceed" or "abort".
        more: What else the function is told.

    Returns:
        The rollout afterwards.

    Raises:
        EarshotError: It is not in a state for that.
    """
    found = get(target, version)
    fitting = {"pause": ("running",), "resume": ("paused",), "proceed": ("running",), "abort": ACTIVE}[what]
    if found["state"] not in fitting:
        raise EarshotError(f"the rollout of {found['version']} is {found['state']}: it cannot {what}")
    if what == "proceed":
        more["group"] = found["group"]
    _ask(target, "UpdatesFunction", {"rollout": found["version"], "want": what, **more})
    return get(target, found["version"])


def _ask(target: Target, function: str, request: dict[str, Any]) -> dict[str, Any]:
    answer = target.client("lambda").invoke(FunctionName=target.outputs[function], Payload=json.dumps(request).encode())
    result: dict[str, Any] = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise EarshotError(f"the stack refuses: {result.get('errorMessage', result)}")
    return result
