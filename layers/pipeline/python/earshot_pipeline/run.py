"""The run: a state machine from new clips to a released model, as a pure function `advance(run, event)`.

```
claimed → preprocessing ┬→ training → registering ┬→ releasing → released
an imported model ──────┘                         ├→ awaiting_approval ┬→ releasing
                                                  │                    └→ rejected
                                                  └→ rejected
every state before the ends → failed;  awaiting_approval, releasing → superseded
```

Invariants:

1. Only an event that the present state awaits changes it. Duplicate, late and reordered events return the run as it is.
2. `released`, `rejected`, `failed` and `superseded` are ends: nothing leaves them.
3. The actions returned are a function of the new state alone, and each is idempotent by a name derived from the run id
   or the version. So an event that comes twice asks again for what is already done, and an action that was lost
   is asked for again by the next event or by the reconciler, whichever comes first.
4. A run has a version if and only if its model passed its gates, and a version is given once.
5. Times of phases never change once they are set.
6. What a run trains on, is compared with and imports is fixed when it enters `training`: its job, asked for again, is
   the same job, whatever was released meanwhile.

Events carry what was confirmed with SageMaker (Describe), never what a notification claims.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from earshot_pipeline.gates import Verdict
from earshot_pipeline.version import Version


class RunState(StrEnum):
    """Where a run is."""

    CLAIMED = "claimed"
    PREPROCESSING = "preprocessing"
    TRAINING = "training"
    REGISTERING = "registering"
    AWAITING_APPROVAL = "awaiting_approval"
    RELEASING = "releasing"
    RELEASED = "released"
    REJECTED = "rejected"
    FAILED = "failed"
    SUPERSEDED = "superseded"


ENDS = frozenset({RunState.RELEASED, RunState.REJECTED, RunState.FAILED, RunState.SUPERSEDED})


class Approval(StrEnum):
    """SageMaker's words for whether a model package may go out."""

    APPROVED = "Approved"
    PENDING = "PendingManualApproval"
    REJECTED = "Rejected"


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        id: `r000007`.
        state: where it is.
        times: when each thing happened, in seconds since the epoch: `created`, `preprocess_start`, `preprocess_end`,
            `train_start`, `train_end`, `release_start`, `release_end`, `ended`.
        clips_new: clips that it preprocesses.
        clips_total: clips of its dataset.
        dataset_sha256: its manifest's sha256, hex.
        version: its model's version; None until the gates are passed.
        verdicts: what the gates said.
        card: the bundle's card (bundle.json); empty before training ended.
        bundle: `s3://` address of the model bundle.
        approval: what the model package is registered as.
        package_arn: the model package; "" before it is registered.
        endpoint_requested: the endpoint was asked to serve the version.
        endpoint_done: the endpoint serves the version (or there is to be none).
        firmware_done: the release is published for every board.
        reason: why it failed or was rejected.
        announced: its end was told.
        reissue_of: the version whose model it releases again under a higher one; "" for a run that trains.
        imported: sha256 of the model that it judges instead of training one; "" for others.
        dataset_of: the run whose dataset it uses; "" when that is its own.
        champion: `s3://` address of the bundle that its model is compared with; "" when there is none.
        revision: counted up by every write, for optimistic locking.
    """

    id: str
    state: RunState
    times: Mapping[str, float]
    clips_new: int = 0
    clips_total: int = 0
    dataset_sha256: str = ""
    version: Version | None = None
    verdicts: tuple[Verdict, ...] = ()
    card: Mapping[str, Any] = field(default_factory=dict)
    bundle: str = ""
    approval: Approval | None = None
    package_arn: str = ""
    endpoint_requested: bool = False
    endpoint_done: bool = False
    firmware_done: bool = False
    reason: str = ""
    announced: bool = False
    reissue_of: str = ""
    imported: str = ""
    dataset_of: str = ""
    champion: str = ""
    revision: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ENDS

    @property
    def dataset(self) -> str:
        """The run whose frozen dataset it trains or is judged on."""
        return self.dataset_of or self.id

    @property
    def holds_slot(self) -> bool:
        """Whether it keeps other runs from starting. One that waits for a person, or trains nothing, does not."""
        return not self.ended and self.approval is not Approval.PENDING and not self.reissue_of


@dataclass(frozen=True)
class Event:
    """Something that was confirmed to have happened.

    Attributes:
        at: when it was noticed, in seconds since the epoch.
    """

    at: float


@dataclass(frozen=True)
class Frozen(Event):
    """The dataset's manifest is written."""

    clips_new: int
    clips_total: int
    dataset_sha256: str


@dataclass(frozen=True)
class Preprocessed(Event):
    """The processing job is Completed and every host's features are there; rejected clips are left out.

    Attributes:
        champion: `s3://` address of the bundle that the new model is compared with; "" when there is none.
    """

    clips_new: int
    clips_total: int
    dataset_sha256: str
    champion: str = ""


@dataclass(frozen=True)
class Trained(Event):
    """The training job is Completed and its model was judged.

    Attributes:
        bundle: `s3://` address of model.tar.gz.
        card: its bundle.json.
        verdicts: what the gates said.
        next_version: the version that the model gets if every gate was passed.
        approval: what a model that passed is registered as.
    """

    bundle: str
    card: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    next_version: Version
    approval: Approval


@dataclass(frozen=True)
class Registered(Event):
    """The model package exists."""

    package_arn: str


@dataclass(frozen=True)
class Decided(Event):
    """Somebody approved or rejected the model package."""

    approval: Approval


@dataclass(frozen=True)
class EndpointRequested(Event):
    """The endpoint was asked to serve the run's version."""


@dataclass(frozen=True)
class EndpointServes(Event):
    """The endpoint is in service with the run's version, or there is to be no endpoint."""


@dataclass(frozen=True)
class FirmwarePublished(Event):
    """The release is published for every board."""


@dataclass(frozen=True)
class Overtaken(Event):
    """A higher version is already out.

    Attributes:
        by: that version.
    """

    by: Version


@dataclass(frozen=True)
class Failed(Event):
    """A step of the run failed for good.

    Attributes:
        during: the states in which this is a failure; in others the news is stale.
        reason: the fault and its remedy, for people.
    """

    during: frozenset[RunState]
    reason: str


@dataclass(frozen=True)
class Announced(Event):
    """The run's end was told to those who wait for it."""


class Action(StrEnum):
    """What a state asks for. The function that owns an action carries it out; others leave it alone."""

    FREEZE = "freeze"
    START_PREPROCESSING = "start_preprocessing"
    START_TRAINING = "start_training"
    REGISTER = "register"
    UPDATE_ENDPOINT = "update_endpoint"
    PUBLISH_FIRMWARE = "publish_firmware"
    ANNOUNCE = "announce"


def claim(run: str, at: float) -> Run:
    """A new run, which has claimed every clip that waits."""
    return Run(run, RunState.CLAIMED, {"created": at})


def bring(base: Run, run: str, imported: str, champion: str, at: float) -> Run:
    """A run that judges a model which somebody brought along. It takes no clips: it begins where training does.

    Args:
        base: the run on whose dataset the model is judged.
        run: the new run's id.
        imported: the model's sha256, hex.
        champion: `s3://` address of the bundle to compare it with; "" when there is none.
        at: now, in seconds since the epoch.
    """
    return Run(
        id=run,
        state=RunState.TRAINING,
        times={"created": at, "train_start": at},
        clips_total=base.clips_total,
        dataset_sha256=base.dataset_sha256,
        imported=imported,
        dataset_of=base.id,
        champion=champion,
    )


def reissue(released: Run, run: str, version: Version, at: float) -> Run:
    """A run that releases the model of another again, under a higher version: boards never go to a lower one.

    Args:
        released: a run whose model has a version.
        run: the new run's id.
        version: the new version.
        at: now, in seconds since the epoch.
    """
    return Run(
        id=run,
        state=RunState.REGISTERING,
        times={"created": at, "train_end": at},
        clips_total=released.clips_total,
        dataset_sha256=released.dataset_sha256,
        version=version,
        verdicts=released.verdicts,
        card=released.card,
        bundle=released.bundle,
        approval=Approval.APPROVED,
        reissue_of=str(released.version),
    )


def advance(run: Run, event: Event) -> tuple[Run, tuple[Action, ...]]:
    """Tell the run what happened.

    Returns:
        The run after the event (the very same when the event is not for its state), and what that state asks for.
    """
    after = _after(run, event)
    return after, actions(after)


def actions(run: Run) -> tuple[Action, ...]:  # noqa: PLR0911 - one return a state: it is the table
    """What the run's state asks for; doing it again does nothing."""
    match run.state:
        case RunState.CLAIMED:
            return (Action.FREEZE,)
        case RunState.PREPROCESSING:
            return (Action.START_PREPROCESSING,)
        case RunState.TRAINING:
            return (Action.START_TRAINING,)
        case RunState.REGISTERING:
            return (Action.REGISTER,)
        case RunState.RELEASING:
            return (
                *(() if run.endpoint_done else (Action.UPDATE_ENDPOINT,)),
                *(() if run.firmware_done else (Action.PUBLISH_FIRMWARE,)),
            )
        case RunState.AWAITING_APPROVAL:
            return ()
    return () if run.announced else (Action.ANNOUNCE,)


def _after(run: Run, event: Event) -> Run:  # noqa: PLR0911, PLR0912 - one case a transition: it is the table
    match run.state, event:
        case RunState.CLAIMED, Frozen():
            if event.clips_new == 0:
                return _end(run, RunState.FAILED, event.at, "no new clip was left when the dataset was frozen")
            return replace(
                _dataset(run, event), state=RunState.PREPROCESSING, times=_mark(run, "preprocess_start", event.at)
            )
        case RunState.PREPROCESSING, Preprocessed():
            if event.clips_new == 0:
                reason = "preprocessing rejected every new clip; their reasons are in the quarantine"
                return _end(_dataset(run, event), RunState.FAILED, event.at, reason)
            return replace(
                _dataset(run, event),
                state=RunState.TRAINING,
                champion=event.champion,
                times=_mark(run, "preprocess_end", event.at, "train_start"),
            )
        case RunState.TRAINING, Trained():
            return _judged(run, event)
        case RunState.REGISTERING, Registered():
            return _registered(run, event)
        case RunState.AWAITING_APPROVAL, Decided(approval=Approval.APPROVED):
            return replace(run, state=RunState.RELEASING, times=_mark(run, "release_start", event.at))
        case RunState.AWAITING_APPROVAL, Decided(approval=Approval.REJECTED):
            return _end(run, RunState.REJECTED, event.at, "its model package was rejected by hand")
        case ((RunState.AWAITING_APPROVAL | RunState.RELEASING), Overtaken()):
            return _end(run, RunState.SUPERSEDED, event.at, f"version {event.by} is already out")
        case RunState.RELEASING, EndpointRequested():
            return replace(run, endpoint_requested=True)
        case RunState.RELEASING, EndpointServes():
            return _released(replace(run, endpoint_done=True), event.at)
        case RunState.RELEASING, FirmwarePublished():
            return _released(replace(run, firmware_done=True), event.at)
        case state, Failed() if state in event.during and not run.ended:
            return _end(run, RunState.FAILED, event.at, event.reason)
        case _, Announced() if run.ended:
            return replace(run, announced=True)
    return run


def _dataset(run: Run, event: Frozen | Preprocessed) -> Run:
    return replace(run, clips_new=event.clips_new, clips_total=event.clips_total, dataset_sha256=event.dataset_sha256)


def _judged(run: Run, event: Trained) -> Run:
    passed = all(verdict.passed for verdict in event.verdicts)
    return replace(
        run,
        state=RunState.REGISTERING,
        times=_mark(run, "train_end", event.at),
        bundle=event.bundle,
        card=event.card,
        verdicts=event.verdicts,
        version=event.next_version if passed else None,
        approval=event.approval if passed else Approval.REJECTED,
    )


def _registered(run: Run, event: Registered) -> Run:
    run = replace(run, package_arn=event.package_arn)
    if run.approval is Approval.REJECTED:
        missed = "; ".join(str(verdict) for verdict in run.verdicts if not verdict.passed)
        return _end(run, RunState.REJECTED, event.at, f"gates not passed: {missed}")
    if run.approval is Approval.PENDING:
        return replace(run, state=RunState.AWAITING_APPROVAL)
    return replace(run, state=RunState.RELEASING, times=_mark(run, "release_start", event.at))


def _released(run: Run, at: float) -> Run:
    if not (run.endpoint_done and run.firmware_done):
        return run
    return _end(replace(run, times=_mark(run, "release_end", at)), RunState.RELEASED, at, "")


def _end(run: Run, state: RunState, at: float, reason: str) -> Run:
    return replace(run, state=state, reason=reason, times=_mark(run, "ended", at))


def _mark(run: Run, name: str, at: float, *more: str) -> Mapping[str, float]:
    return {**dict.fromkeys((name, *more), at), **run.times}
