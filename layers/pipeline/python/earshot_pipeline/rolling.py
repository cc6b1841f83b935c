"""Drives rollouts: tells them what boards reported and carries out what they ask for, until they rest."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earshot_pipeline.offering import Offering
from earshot_pipeline.release import BadReleaseError
from earshot_pipeline.rollout import Abort, Action, Event, Group, Rollout, Settled, Superseded, Tally, Tick
from earshot_pipeline.rollout_table import UnknownRolloutError
from earshot_pipeline.version import Version


@dataclass(frozen=True)
class Rolling:
    """Drives rollouts.

    Attributes:
        offering: what boards are offered.
        release_again: has a run's model registered and released; told the run's id.
    """

    offering: Offering
    release_again: Callable[[str], None]

    def begin(self, version: Version, groups: Sequence[Group], now: float) -> None:
        """Begin a version's rollout, or go on with it."""
        self.offering.rollouts.begin_rollout(Rollout(version, tuple(groups), now))
        self.supersede(version)
        self.drive(version, now)

    def higher(self, version: Version) -> Version | None:
        """The higher version that is being rolled out, if there is one."""
        newest = self.offering.rollouts.newest_rollout()
        return newest.version if newest is not None and newest.active and newest.version > version else None

    def supersede(self, version: Version) -> None:
        """A version goes out to all: end the rollouts of lower ones."""
        for rollout in self.offering.rollouts.rollouts():
            if rollout.active and rollout.version < version:
                self.offering.rollouts.advance_rollout(rollout.version, lambda _: Superseded(version))

    def abandon(self, version: Version, reason: str) -> None:
        """A version could not be published: end its rollout, if that has begun; boards have nothing to return from."""
        with contextlib.suppress(UnknownRolloutError):
            self.offering.rollouts.advance_rollout(version, lambda _: Abort(reason, returns=False))

    def tell(self, version: Version, event: Callable[[Tally], Event], now: float) -> Rollout:
        """Tell a rollout what somebody wants, and drive it."""
        self.offering.rollouts.advance_rollout(version, lambda _: event(self.offering.rollouts.tally(version)))
        return self.drive(version, now)

    def drive(self, version: Version, now: float) -> Rollout:
        """Carry out what the rollout asks for and look at its boards, until nothing follows.

        Who loses a race to another driver looks again, so that what is published last is what the rollout last was.
        """
        table = self.offering.rollouts
        while True:
            known = table.rollout(version)
            rollout, demanded = table.advance_rollout(version, lambda _: Tick(table.tally(version)))
            for action in demanded:
                self._carry_out(action, rollout, now)
            if known == rollout == table.rollout(version):
                return rollout

    def _carry_out(self, action: Action, rollout: Rollout, now: float) -> None:
        match action:
            case Action.OFFER:
                self.offering.publish(now)
            case Action.PROMOTE:
                self.offering.publish(now)
                self.offering.publish_documents(rollout.version)
            case Action.REISSUE:
                run = rollout.reissue or self.offering.rollouts.reissue_for(rollout, self._stable(), now).id
                self.release_again(run)
            case Action.SETTLE:
                self.offering.rollouts.advance_rollout(rollout.version, lambda _: Settled())

    def _stable(self) -> Version:
        found = [stable for board in self.offering.boards if (stable := self.offering.stable(board))]
        if not found:
            raise BadReleaseError(
                "no job document offers a version to go back to: `earshot models rollback` releases one"
            )
        return max(found)
