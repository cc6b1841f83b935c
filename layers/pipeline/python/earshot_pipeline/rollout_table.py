"""Rollouts in the pipeline's table: their items, each device's outcome once, and tallies in sixteen parts."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from earshot_pipeline.rollout import (
    Action,
    Event,
    Group,
    Outcome,
    Reissued,
    Rollout,
    RolloutState,
    Tally,
    advance,
    worse,
)
from earshot_pipeline.run import Run
from earshot_pipeline.table import SHARDS, ConflictError, Table
from earshot_pipeline.version import BadVersionError, Version

_ROLLOUTS = "ROLLOUTS"
_ATTEMPTS = 12
_COUNTED = {outcome.value: outcome for outcome in Outcome}


class UnknownRolloutError(LookupError):
    """The table has no such rollout."""


class RolloutTable(Table):
    """The table, with what concerns rollouts."""

    def plan_rollout(self, version: Version, groups: str) -> None:
        """Keep the groups that a person chose for a version that is not published yet."""
        self._transact([self._put({"pk": "PLANS", "sk": _number(version), "groups": groups})])

    def planned_groups(self, version: Version) -> str:
        """The groups that a person chose for a version; "" when nobody did."""
        item = self._get({"pk": "PLANS", "sk": _number(version)})
        return str(item["groups"]) if item else ""

    def begin_rollout(self, rollout: Rollout) -> None:
        """Write a new rollout; one of this version that is there already stays as it is."""
        try:
            self._transact([self._put(_item(rollout), "attribute_not_exists(pk)")])
        except ConflictError:
            self.rollout(rollout.version)

    def rollout(self, version: Version) -> Rollout:
        """A version's rollout.

        Raises:
            UnknownRolloutError: when it has none.
        """
        item = self._get({"pk": _ROLLOUTS, "sk": _number(version)})
        if item is None:
            raise UnknownRolloutError(f"version {version} has no rollout; see `earshot rollout status`")
        return _rollout(item)

    def rollouts(self) -> Iterator[Rollout]:
        """All rollouts, lowest version first."""
        return map(_rollout, self._query(_ROLLOUTS))

    def newest_rollout(self) -> Rollout | None:
        """The rollout of the highest version, the only one that may be active for long."""
        return max(self.rollouts(), key=lambda rollout: rollout.version, default=None)

    def advance_rollout(
        self, version: Version, event: Callable[[Rollout], Event]
    ) -> tuple[Rollout, tuple[Action, ...]]:
        """Tell a rollout what happened and write what follows.

        Args:
            version: the rollout's.
            event: makes the event from the rollout as it is; called again when somebody else wrote in between.

        Returns:
            The rollout afterwards and what it asks for.

        Raises:
            UnknownRolloutError: when there is no such rollout.
            ConflictError: when others write it again and again.
        """
        for _ in range(_ATTEMPTS):
            before = self.rollout(version)
            after, demanded = advance(before, event(before))
            if after == before:
                return before, demanded
            try:
                self._transact([self._next(before, after)])
            except ConflictError:
                continue
            return self.rollout(version), demanded
        raise ConflictError(f"the rollout of {version} is written too often to be changed; try again")

    def reissue_for(self, rollout: Rollout, stable: Version, at: float) -> Run:
        """Make the run that releases the last good model again, once however often it is asked."""

        def noted(run: Run) -> list[dict[str, Any]]:
            before = self.rollout(rollout.version)
            after, _ = advance(before, Reissued(run.id))
            if after == before:
                raise ConflictError(f"the rollout of {rollout.version} is brought back already")
            return [self._next(before, after)]

        try:
            return self.reissue_run(stable, at, noted)
        except ConflictError:
            made = self.rollout(rollout.version).reissue
            if not made:
                raise
            return self.run(made)

    def tally(self, version: Version) -> Tally:
        """How many devices confirmed and rejected a version."""
        parts = list(self._query(f"ROLLOUT#{version}"))
        return Tally(*(sum(part.get(outcome.value, 0) for part in parts) for outcome in Outcome))

    def take_report(self, device: str, report: Mapping[str, Any], at: float) -> bool:
        """Write a device's report if its counter is larger than the last, and count its outcome once a version.

        Returns:
            Whether it was written.
        """
        outcome, version = _COUNTED.get(report["state"]), _version(report["version"])
        if outcome is None or version is None or not self._rolls_out(version):
            return self.write_report(device, report, at)
        key = {"pk": f"DEVICE#{device}", "sk": f"TRIAL#{version}"}
        for _ in range(_ATTEMPTS):
            item = self._get(key)
            known = Outcome(item["outcome"]) if item else None
            counts_as = worse(known, outcome)
            if counts_as == known:
                return self.write_report(device, report, at)
            condition = "outcome = :known" if known else "attribute_not_exists(pk)"
            trial = self._put({**key, "outcome": counts_as, "at": at}, condition, {":known": known} if known else {})
            try:
                self._transact([self._report_write(device, report, at), trial, self._count(version, known, outcome)])
            except ConflictError:
                found = self.device(device)
                if found is None or found.get("counter", -1) >= report["counter"]:
                    return False
                continue
            return True
        raise ConflictError(f"device {device}'s report could not be counted; it will be tried again")

    def _rolls_out(self, version: Version) -> bool:
        return self._get({"pk": _ROLLOUTS, "sk": _number(version)}) is not None

    def _count(self, version: Version, known: Outcome | None, outcome: Outcome) -> dict[str, Any]:
        changes = {outcome: 1} | ({known: -1} if known else {})
        shard = random.choice(SHARDS)  # noqa: S311 - spreads writes, protects nothing
        expression = "ADD " + ", ".join(f"{name} :{name}" for name in changes)
        values = {f":{name}": change for name, change in changes.items()}
        return self._write_update({"pk": f"ROLLOUT#{version}", "sk": shard}, expression, "", values)

    def _next(self, before: Rollout, after: Rollout) -> dict[str, Any]:
        item = _item(replace(after, revision=before.revision + 1))
        return self._put(item, "revision = :revision", {":revision": before.revision})


def _number(version: Version) -> str:
    return f"{version.number:07d}"


def _version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except BadVersionError:
        return None


def _item(rollout: Rollout) -> dict[str, Any]:
    return {
        "pk": _ROLLOUTS,
        "sk": _number(rollout.version),
        **asdict(replace(rollout, groups=())),
        "version": str(rollout.version),
        "groups": [asdict(group) for group in rollout.groups],
        "state": rollout.state.value,
    }


def _rollout(item: Mapping[str, Any]) -> Rollout:
    fields = {name: value for name, value in item.items() if name not in ("pk", "sk")}
    return Rollout(
        **{
            **fields,
            "version": Version.parse(item["version"]),
            "groups": tuple(Group(**group) for group in item["groups"]),
            "state": RolloutState(item["state"]),
        }
    )
