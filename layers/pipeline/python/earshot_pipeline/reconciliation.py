"""What an event should have done and did not: who is to be asked again, and which runs have taken too long."""

from collections.abc import Mapping
from dataclasses import dataclass

from earshot_pipeline.run import Failed, Run, RunState

# The functions whose events move a run on from a state. Each asks what is so and does what is missing.
OWNERS: Mapping[RunState, tuple[str, ...]] = {
    RunState.CLAIMED: ("start_preprocessing",),
    RunState.PREPROCESSING: ("start_preprocessing", "start_training"),
    RunState.TRAINING: ("start_training", "register_model"),
    RunState.REGISTERING: ("register_model",),
    RunState.AWAITING_APPROVAL: ("register_model",),
    RunState.RELEASING: ("update_endpoint", "convert_firmware"),
}


@dataclass(frozen=True)
class Patience:
    """How long a state may last, in seconds; a state that waits for a person may last for ever.

    Attributes:
        limits: by state.
    """

    limits: Mapping[RunState, float]

    @classmethod
    def of_jobs(cls, processing_seconds: float, training_seconds: float) -> "Patience":
        """Patience for jobs that may run so long; spot training may wait as long again."""
        return cls(
            {
                RunState.CLAIMED: 3600,
                RunState.PREPROCESSING: processing_seconds + 7200,
                RunState.TRAINING: 2 * training_seconds + 7200,
                RunState.REGISTERING: 3600,
                RunState.RELEASING: 21_600,
            }
        )

    def overdue(self, run: Run, now: float) -> Failed | None:
        """The failure of a run that is stuck; None for one that is not."""
        limit = self.limits.get(run.state)
        since = run.times.get(_BEGINS.get(run.state, "created"), run.times["created"])
        if limit is None or now - since <= limit:
            return None
        reason = f"{run.state} for {now - since:.0f} s; look for the function's errors in its log and dead letters"
        return Failed(now, frozenset({run.state}), reason)


_BEGINS = {
    RunState.PREPROCESSING: "preprocess_start",
    RunState.TRAINING: "train_start",
    RunState.REGISTERING: "train_end",
    RunState.RELEASING: "release_start",
}
