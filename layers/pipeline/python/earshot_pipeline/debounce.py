"""When a run starts: clips have been quiet for a while, or the first of them has waited long enough.

A storm of uploads thus makes one run, and a trickle that never pauses still makes runs.
"""

from dataclasses import dataclass

_BACKOFF_SECONDS = 900.0
_BACKOFF_LIMIT_SECONDS = 86_400.0


@dataclass(frozen=True)
class DebounceSettings:
    """When clips become a run.

    Attributes:
        quiet_seconds: so long no clip may have arrived.
        maximum_wait_seconds: so long the first clip may wait at most.
        min_new_clips: fewer new clips than this start nothing.
    """

    quiet_seconds: float
    maximum_wait_seconds: float
    min_new_clips: int


@dataclass(frozen=True)
class Arrivals:
    """What is known about clips that no run has claimed. Times are seconds since the epoch.

    Attributes:
        first: arrival of the first clip since the last claim; None when there was none.
        last: the latest arrival ever; None before the first clip.
        failures: runs that failed in a row.
        failed_at: when the last of them ended.
    """

    first: float | None = None
    last: float | None = None
    failures: int = 0
    failed_at: float | None = None


def due_at(arrivals: Arrivals, settings: DebounceSettings) -> float | None:
    """The moment from which a run may start, in seconds since the epoch; None when nothing waits.

    After a failed run its clips wait again though none arrives: they are tried anew after a pause that doubles with
    every failure in a row, so that a fault which stays does not train for ever. A new clip ends that pause.
    """
    if arrivals.first is not None and arrivals.last is not None:
        return min(arrivals.last + settings.quiet_seconds, arrivals.first + settings.maximum_wait_seconds)
    if arrivals.failures and arrivals.failed_at is not None:
        return arrivals.failed_at + min(
            _BACKOFF_SECONDS * 2.0 ** (min(arrivals.failures, 32) - 1), _BACKOFF_LIMIT_SECONDS
        )
    return None
