"""Start a run's training when its features are complete, on the dataset without what preprocessing rejected."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from earshot_pipeline import naming
from earshot_pipeline.champion import Champions
from earshot_pipeline.dataset import (
    Entry,
    audio_entries,
    digest,
    from_jsonl,
    manifest_file,
    new_entries,
    runs_of,
    to_jsonl,
    without,
)
from earshot_pipeline.intake import Intake, Rejection
from earshot_pipeline.jobs import Jobs, JobStatus, Places, TrainingSettings, training_request
from earshot_pipeline.run import Action, Event, Failed, Preprocessed, Run, RunState
from earshot_pipeline.sources import Sources
from earshot_pipeline.storage import Bucket, GoneError, parse_json
from earshot_pipeline.table import Table

_DURING = frozenset({RunState.PREPROCESSING})
_SCHEMA = "earshot.features/1"


class BadFeaturesError(ValueError):
    """The processing job's output is not complete or not readable."""


@dataclass(frozen=True)
class HostOutput:
    """What one host of the processing job wrote.

    Attributes:
        shards: keys of its feature shards.
        rejected: the clips it could not use.
        hosts: all hosts of the job.
    """

    shards: tuple[str, ...]
    rejected: tuple[Rejection, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """Starts training.

    Attributes:
        table: the pipeline's table.
        data: the data bucket.
        clips: the clips bucket.
        champions: finds the model that a new one is compared with.
        intake: moves rejected clips to quarantine.
        jobs: SageMaker's jobs.
        settings: what jobs have in common.
        sources: the jobs' code.
        frontend: the front end's id.
    """

    table: Table
    data: Bucket
    clips: Bucket
    champions: Champions
    intake: Intake
    jobs: Jobs
    settings: TrainingSettings
    sources: Sources
    frontend: str

    def confirm(self, run: Run, now: float) -> tuple[Run, tuple[Action, ...]]:
        """See what became of the run's preprocessing and tell the run."""
        if run.state is not RunState.PREPROCESSING:
            return self.table.demanded(run.id)
        job = naming.processing_job(self.settings.stack, run.id)
        outcome = self.jobs.processing(job)
        if outcome.status in (JobStatus.MISSING, JobStatus.RUNNING):
            return run, ()
        event: Event
        if outcome.status is JobStatus.COMPLETED:
            try:
                event = self._complete(run, now)
            except BadFeaturesError as fault:
                event = Failed(now, _DURING, f"processing job {job}: {fault}; read its log")
        else:
            reason = outcome.reason or "no reason given"
            event = Failed(now, _DURING, f"processing job {job} {outcome.status}: {reason}; read its log")
        return self.table.advance(run.id, lambda _: event)

    def carry_out(self, run: Run, demanded: Sequence[Action]) -> None:
        """Do what the run's state asks of training."""
        if Action.START_TRAINING in demanded:
            places = Places(self.data.name, self.sources.publish(self.data), self.sources.version)
            request = training_request(run, self.settings, places, self.frontend, self._put_audio(run))
            self.jobs.ensure_training(request)

    def _put_audio(self, run: Run) -> bool:
        """Say which recordings streaming evaluation plays; returns whether there are any."""
        key = naming.dataset_key(run.id, "audio.manifest")
        if self.data.exists(key):
            return True
        manifest = naming.dataset_key(run.dataset, "manifest.jsonl")
        entries = from_jsonl(self.data.read(manifest).data, self.data.uri(manifest))
        chosen = audio_entries(self._still_there(entries), self.settings.keywords)
        if chosen:
            names = (entry.key.removeprefix(naming.CLIP_PREFIX) for entry in chosen)
            # Whoever writes first decides: the job may have been asked for with that file.
            self.data.put_once(key, manifest_file(self.clips.uri(naming.CLIP_PREFIX), names), "application/json")
        return bool(chosen)

    def _still_there(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """Without clips that were deleted since: features outlive their clip, and one missing file fails a job."""
        present = frozenset(self.clips.list(naming.CLIP_PREFIX))
        return tuple(entry for entry in entries if entry.key in present)

    def _complete(self, run: Run, now: float) -> Preprocessed:
        outputs = self._outputs(run.id)
        rejections = [rejection for output in outputs for rejection in output.rejected]
        key = naming.dataset_key(run.id, "manifest.jsonl")
        entries = from_jsonl(self.data.read(key).data, self.data.uri(key))
        entries = without(entries, (rejection.sha256 for rejection in rejections), run.id)
        self.intake.reject(rejections)
        manifest = to_jsonl(entries)
        self.data.put(key, manifest, "application/x-ndjson")
        prefix = f"features/{self.frontend}/"
        shards = [shard for each in runs_of(entries) for output in self._outputs(each) for shard in output.shards]
        self.data.put(
            naming.dataset_key(run.id, "features.manifest"),
            manifest_file(self.data.uri(prefix), (shard.removeprefix(prefix) for shard in shards)),
            "application/json",
        )
        new, champion = len(new_entries(entries, run.id)), self.champions.bundle()
        return Preprocessed(now, new, len(entries), digest(manifest), champion)

    def _outputs(self, run: str) -> tuple[HostOutput, ...]:
        prefix = naming.features_prefix(self.frontend, run)
        names = [key for key in self.data.list(prefix + "manifest-") if naming.run_of_features_key(key) == run]
        outputs = {key: self._output(prefix, key) for key in names}
        expected = {f"{prefix}manifest-{host}.json" for output in outputs.values() for host in output.hosts}
        missing = expected - outputs.keys()
        if missing or not outputs:
            lacking = ", ".join(sorted(missing)) or f"{prefix}manifest-….json"
            raise BadFeaturesError(f"{lacking} missing though the job completed")
        return tuple(outputs[key] for key in sorted(outputs))

    def _output(self, prefix: str, key: str) -> HostOutput:
        try:
            record = parse_json(self.data.read(key).data, key)
            if record["schema"] != _SCHEMA or record["frontend"] != self.frontend:
                raise BadFeaturesError(f"{key}: not {_SCHEMA} of front end {self.frontend}")
            rejected = self._rejected(prefix + record["rejected"]) if record.get("rejected") else ()
            shards = tuple(prefix + _file_name(name) for name in record["shards"])
            return HostOutput(shards, rejected, tuple(_file_name(host) for host in record["hosts"]))
        except (KeyError, TypeError, ValueError) as fault:
            raise fault if isinstance(fault, BadFeaturesError) else BadFeaturesError(f"{key}: {fault}") from fault

    def _rejected(self, key: str) -> tuple[Rejection, ...]:
        try:
            data = self.data.read(key).data
        except GoneError:
            return ()
        lines: Iterable[Mapping[str, Any]] = (parse_json(line, key) for line in data.splitlines() if line.strip())
        return tuple(
            Rejection(str(line["key"]), str(line["version_id"]), str(line["sha256"]), str(line["reason"]))
            for line in lines
        )


def _file_name(name: object) -> str:
    if not isinstance(name, str) or not name or "/" in name:
        raise BadFeaturesError(f"{name!r} is not a file's name")
    return name
