"""Judge a trained model, register it, and hear what people decide about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from earshot_pipeline import naming
from earshot_pipeline.bundle import MAX_ARCHIVE_BYTES, BadBundleError, Bundle, read_bundle
from earshot_pipeline.card import CardTooLargeError, kept
from earshot_pipeline.gates import GateSettings, judge
from earshot_pipeline.jobs import JobOutcome, Jobs, JobStatus
from earshot_pipeline.packages import Packages
from earshot_pipeline.run import Action, Approval, Decided, Event, Failed, Registered, Run, RunState, Trained
from earshot_pipeline.storage import Bucket, GoneError, TooLargeError, split_uri
from earshot_pipeline.table import Table, UnknownRunError
from earshot_pipeline.version import Version

_DURING = frozenset({RunState.TRAINING})


@dataclass(frozen=True)
class Decisions:
    """Hears from the registry what was decided about model packages.

    Attributes:
        table: the pipeline's table.
        packages: the model package group.
    """

    table: Table
    packages: Packages

    def confirm(self, arn: str, now: float) -> tuple[Run, tuple[Action, ...]] | None:
        """Tell the package's run that it is registered and what was decided; None when it is not ours."""
        approval, run = self.packages.approval(arn)
        if not run:
            return None
        try:
            self.table.advance(run, lambda _: Registered(now, arn))
            return self.table.advance(run, lambda _: Decided(now, approval))
        except UnknownRunError:
            return None


@dataclass(frozen=True)
class Registering:
    """Judges and registers models.

    Attributes:
        table: the pipeline's table.
        data: the data bucket.
        jobs: SageMaker's jobs.
        packages: the model package group.
        stack: the stack's name.
        keywords: the words that the model must know.
        frontend: the front end's id.
        gates: the limits.
        automatic: models that pass go out without a person.
    """

    table: Table
    data: Bucket
    jobs: Jobs
    packages: Packages
    stack: str
    keywords: tuple[str, ...]
    frontend: str
    gates: GateSettings
    automatic: bool

    def confirm(self, run: Run, now: float) -> tuple[Run, tuple[Action, ...]]:
        """See what became of the run's training, judge the model and tell the run."""
        if run.state is not RunState.TRAINING:
            return self.table.demanded(run.id)
        outcome = self.jobs.training(naming.training_job(self.stack, run.id))
        if outcome.status in (JobStatus.MISSING, JobStatus.RUNNING):
            return run, ()
        event = self._judged(run, outcome, now)
        if isinstance(event, Failed):
            return self.table.advance(run.id, lambda _: event)
        return self.table.advance(run.id, lambda _: self._numbered(event))

    def carry_out(self, run: Run, demanded: Sequence[Action], now: float) -> tuple[Run, tuple[Action, ...]]:
        """Do what the run's state asks of the registry."""
        if Action.REGISTER in demanded:
            arn = self.packages.register(run)
            return self.table.advance(run.id, lambda _: Registered(now, arn))
        return run, tuple(demanded)

    def _judged(self, run: Run, outcome: JobOutcome, now: float) -> Trained | Failed:
        job = naming.training_job(self.stack, run.id)
        if outcome.status is not JobStatus.COMPLETED:
            reason = outcome.reason or "no reason given"
            return Failed(now, _DURING, f"training job {job} {outcome.status}: {reason}; read its log")
        try:
            bundle = self._bundle(run, outcome.artifacts)
            card = kept(bundle.card)
        except (BadBundleError, CardTooLargeError, GoneError, TooLargeError) as fault:
            return Failed(now, _DURING, f"training job {job}: {fault}")
        approval = Approval.APPROVED if self.automatic else Approval.PENDING
        verdicts = judge(bundle.card, self.keywords, self.gates)
        return Trained(now, outcome.artifacts, card, verdicts, Version(1), approval)

    def _bundle(self, run: Run, uri: str) -> Bundle:
        bucket, key = split_uri(uri)
        if bucket != self.data.name:
            raise BadBundleError(f"{uri}: not in the data bucket")
        bundle = read_bundle(self.data.read(key, limit=MAX_ARCHIVE_BYTES).data)
        wanted, imported = (*self.keywords, "unknown", "silence"), bundle.card.get("origin") == "imported"
        if imported is not bool(run.imported):
            raise BadBundleError(
                f"bundle.json: its origin is {bundle.card.get('origin')}, which is not what the run asked for"
            )
        if bundle.labels != wanted and not (imported and set(wanted) <= set(bundle.labels)):
            raise BadBundleError(f"bundle.json: labels {bundle.labels} are not those configured, {wanted}")
        if bundle.card["frontend"] != self.frontend:
            raise BadBundleError(f"bundle.json: front end {bundle.card['frontend']} is not the run's, {self.frontend}")
        if bundle.card["dataset"].get("sha256") != run.dataset_sha256:
            raise BadBundleError("bundle.json: the model was trained on another dataset than the run's")
        return bundle

    def _numbered(self, event: Trained) -> Event:
        # Asked again whenever somebody else wrote in between: a version is given once.
        number = self.table.pipeline().versions + 1
        return Trained(event.at, event.bundle, event.card, event.verdicts, Version(number), event.approval)
