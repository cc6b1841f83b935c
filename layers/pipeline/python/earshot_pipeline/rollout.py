"""A rollout: a version goes to more and more of the boards, as a pure function `advance(rollout, event)`.

```
running ⇄ paused → withdrawn
   └→ finished
```

A group is a share of the boards. When enough of them have confirmed the version, the next group gets it too; when too
many refused it, the rollout pauses by itself, and a paused one in which too many refused is withdrawn.

Invariants:

1. A device counts once a version, by the worse of what it ever reported: rejected before confirmed before nothing.
   `worse` is a maximum, so reports may come twice, late and in any order: the tally is the same.
2. `withdrawn` and `finished` are ends: nothing leaves them, and nothing but `settled` and `reissue` changes in them.
3. The group only grows. What boards are offered is a function of the rollout alone (`percent`).
4. The actions returned are a function of the new rollout alone, and each is idempotent: what was lost is asked for
   again by the next event or by the reconciler.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from earshot_pipeline.version import Version


class RolloutState(StrEnum):
    """Where a rollout is."""

    RUNNING = "running"
    PAUSED = "paused"
    WITHDRAWN = "withdrawn"
    FINISHED = "finished"


class Outcome(StrEnum):
    """What a device made of a version."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class BadGroupsError(ValueError):
    """The text names no groups of a rollout."""


@dataclass(frozen=True)
class Group:
    """A step of a rollout.

    Attributes:
        percent: the share of the boards that are offered the version, 1 to 100.
        success: so many boards must confirm it, from the group's beginning on.
        errors: the largest share of boards that may refuse it, of those that tried it since the rollout's beginning.
        minimum: so many must have tried it before the share counts.
    """

    percent: int
    success: int
    errors: float
    minimum: int


@dataclass(frozen=True)
class Tally:
    """How many devices confirmed and how many rejected a version."""

    confirmed: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Rollout:
    """One rollout.

    Attributes:
        version: what is rolled out.
        groups: its steps; the last has all boards.
        began: when, in seconds since the epoch.
        state: where it is.
        group: index of the present group.
        confirmed_before: devices that had confirmed when this group began.
        reason: why it is paused or was withdrawn.
        returns: boards that took it must be brought back: the last good model is to be released again.
        reissue: the run that does so; "" before it is made.
        settled: the end's actions were carried out.
        revision: counted up by every write, for optimistic locking.
    """

    version: Version
    groups: tuple[Group, ...]
    began: float
    state: RolloutState = RolloutState.RUNNING
    group: int = 0
    confirmed_before: int = 0
    reason: str = ""
    returns: bool = False
    reissue: str = ""
    settled: bool = False
    revision: int = 0

    @property
    def active(self) -> bool:
        """Whether it still may go on."""
        return self.state in (RolloutState.RUNNING, RolloutState.PAUSED)

    @property
    def percent(self) -> int:
        """The share of boards that are offered the candidate."""
        return self.groups[self.group].percent if self.state is RolloutState.RUNNING else 0


@dataclass(frozen=True)
class Tick:
    """Look at what boards reported."""

    tally: Tally


@dataclass(frozen=True)
class Pause:
    """A person stops it for now."""


@dataclass(frozen=True)
class Resume:
    """A person lets it go on."""


@dataclass(frozen=True)
class Proceed:
    """A person is content with a group, however few have confirmed; said twice, it counts once."""

    group: int
    tally: Tally


@dataclass(frozen=True)
class Abort:
    """A person, or a fault of publishing, ends it."""

    reason: str
    returns: bool = True


@dataclass(frozen=True)
class Superseded:
    """A higher version goes out to all whom this one reached."""

    by: Version


@dataclass(frozen=True)
class Reissued:
    """The last good model is being released again."""

    run: str


@dataclass(frozen=True)
class Settled:
    """What its end asks for was done."""


Event = Tick | Pause | Resume | Proceed | Abort | Superseded | Reissued | Settled


class Action(StrEnum):
    """What a rollout asks for; doing it again does nothing."""

    OFFER = "offer"
    PROMOTE = "promote"
    REISSUE = "reissue"
    SETTLE = "settle"


def parse_groups(text: str, success: int, errors: float, minimum: int) -> tuple[Group, ...]:
    """Read `5,25,100`.

    Raises:
        BadGroupsError: the shares do not grow, or the last is not 100.
    """
    try:
        shares = [int(share) for share in text.split(",")]
    except ValueError as fault:
        raise BadGroupsError(f"RolloutGroups {text!r}: whole percentages such as 5,25,100 are needed") from fault
    if shares[-1] != 100 or shares[0] < 1 or any(one >= following for one, following in pairwise(shares)):
        raise BadGroupsError(f"RolloutGroups {text!r}: percentages must grow and end with 100, as in 5,25,100")
    return tuple(Group(share, success, errors, minimum) for share in shares)


def selected(salt: str, device: str, percent: int) -> bool:
    """Whether a device is among the share that is offered a candidate (docs/contracts.md, section 13)."""
    first = int.from_bytes(hashlib.sha256(f"{salt}:{device}".encode()).digest()[:4])
    return first * 100 >> 32 < percent


def worse(*outcomes: Outcome | None) -> Outcome | None:
    """What a device counts as, of all that it reported about a version."""
    return Outcome.REJECTED if Outcome.REJECTED in outcomes else next((each for each in outcomes if each), None)


def tally(outcomes: Iterable[Outcome | None]) -> Tally:
    """The tally of what devices count as, one each."""
    every = list(outcomes)
    return Tally(every.count(Outcome.CONFIRMED), every.count(Outcome.REJECTED))


def advance(rollout: Rollout, event: Event) -> tuple[Rollout, tuple[Action, ...]]:
    """Tell a rollout what happened.

    Returns:
        The rollout after the event (the very same when the event is not for its state), and what it asks for.
    """
    after = _after(rollout, event)
    return after, actions(after)


def actions(rollout: Rollout) -> tuple[Action, ...]:
    """What a rollout asks for."""
    if rollout.active:
        return (Action.OFFER,)
    if rollout.settled:
        return ()
    if rollout.state is RolloutState.FINISHED:
        return (Action.PROMOTE, Action.SETTLE)
    reissue = (Action.REISSUE,) if rollout.returns else ()
    return (Action.OFFER, *reissue, Action.SETTLE)


def _after(rollout: Rollout, event: Event) -> Rollout:  # noqa: PLR0911 - one case a transition: it is the table
    match rollout.state, event:
        case RolloutState.RUNNING, Tick(counted):
            fault = _fault(rollout, counted)
            if fault:
                return replace(rollout, state=RolloutState.PAUSED, reason=fault)
            enough = counted.confirmed - rollout.confirmed_before >= rollout.groups[rollout.group].success
            return _next(rollout, counted) if enough else rollout
        case RolloutState.PAUSED, Tick(counted):
            fault = _fault(rollout, counted)
            return _withdraw(rollout, fault, returns=True) if fault else rollout
        case RolloutState.RUNNING, Proceed(group, counted) if group == rollout.group and not _fault(rollout, counted):
            return _next(rollout, counted)
        case RolloutState.RUNNING, Pause():
            return replace(rollout, state=RolloutState.PAUSED, reason="paused by hand")
        case RolloutState.PAUSED, Resume():
            return replace(rollout, state=RolloutState.RUNNING, reason="")
        case ((RolloutState.RUNNING | RolloutState.PAUSED), Abort(reason, returns)):
            return _withdraw(rollout, reason, returns=returns)
        case ((RolloutState.RUNNING | RolloutState.PAUSED), Superseded(by)) if by > rollout.version:
            return _withdraw(rollout, f"version {by} goes out instead", returns=False)
        case RolloutState.WITHDRAWN, Reissued(run) if rollout.returns and not rollout.reissue:
            return replace(rollout, reissue=run)
        case ((RolloutState.WITHDRAWN | RolloutState.FINISHED), Settled()):
            return replace(rollout, settled=True)
    return rollout


def _fault(rollout: Rollout, counted: Tally) -> str:
    group, tried = rollout.groups[rollout.group], counted.confirmed + counted.rejected
    if tried < group.minimum or counted.rejected <= group.errors * tried:
        return ""
    return f"{counted.rejected} of {tried} boards refused it; at most {group.errors:.0%} may"


def _next(rollout: Rollout, counted: Tally) -> Rollout:
    if rollout.group + 1 == len(rollout.groups):
        return replace(rollout, state=RolloutState.FINISHED)
    return replace(rollout, group=rollout.group + 1, confirmed_before=counted.confirmed)


def _withdraw(rollout: Rollout, reason: str, *, returns: bool) -> Rollout:
    return replace(rollout, state=RolloutState.WITHDRAWN, reason=reason, returns=returns)
