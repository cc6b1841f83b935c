"""Start a run when one is due: claim the clips, freeze the dataset, start the processing job over the new ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from earshot_pipeline import naming
from earshot_pipeline.dataset import (
    Entry,
    digest,
    freeze,
    from_jsonl,
    manifest_file,
    new_entries,
    noise_entries,
    to_jsonl,
)
from earshot_pipeline.debounce import DebounceSettings, due_at
from earshot_pipeline.ingest import Clip
from earshot_pipeline.jobs import Jobs, Places, ProcessingSettings, processing_request
from earshot_pipeline.run import Action, Frozen, Run
from earshot_pipeline.schedule import Scheduler, schedule_next
from earshot_pipeline.sources import Sources
from earshot_pipeline.storage import Bucket
from earshot_pipeline.table import Pipeline, Table


@dataclass(frozen=True)
class Preprocessing:
    """Starts runs.

    Attributes:
        table: the pipeline's table.
        data: the data bucket.
        clips_bucket: name of the clips bucket.
        scheduler: wakes the pipeline later.
        debounce: when clips become a run.
        jobs: SageMaker's jobs.
        settings: what jobs have in common.
        sources: the jobs' code.
        frontend: the front end's id.
    """

    table: Table
    data: Bucket
    clips_bucket: str
    scheduler: Scheduler
    debounce: DebounceSettings
    jobs: Jobs
    settings: ProcessingSettings
    sources: Sources
    frontend: str

    def start_if_due(self, now: float) -> Run | None:
        """Claim a run if the slot is free and clips have been quiet for long enough."""
        pipeline = self.table.pipeline()
        due = due_at(pipeline.arrivals, self.debounce)
        if pipeline.active or due is None:
            return None
        if due > now:
            schedule_next(self.table, self.scheduler, pipeline.arrivals, self.debounce, now)
            return None
        clips = self.table.clips()
        new = len(self._new(clips, pipeline))
        if new == 0:
            self.table.forget_arrivals(pipeline.arrivals)
        if new < max(1, self.debounce.min_new_clips):
            return None
        return self.table.claim_run(pipeline, now)

    def carry_out(self, run: Run, demanded: Sequence[Action], now: float) -> Run:
        """Do what the run's state asks of preprocessing."""
        if Action.FREEZE in demanded:
            run, demanded = self._freeze(run, now)
        if Action.START_PREPROCESSING in demanded:
            self._start_job(run)
        return run

    def _base(self, pipeline: Pipeline) -> tuple[Entry, ...]:
        # After a change of the front end nothing is computed yet.
        if not pipeline.dataset or not any(self.data.list(naming.features_prefix(self.frontend, pipeline.dataset))):
            return ()
        key = naming.dataset_key(pipeline.dataset, "manifest.jsonl")
        return from_jsonl(self.data.read(key).data, self.data.uri(key))

    def _new(self, clips: Sequence[Clip], pipeline: Pipeline) -> tuple[Entry, ...]:
        return new_entries(freeze(clips, self._base(pipeline), ""), "")

    def _freeze(self, run: Run, now: float) -> tuple[Run, tuple[Action, ...]]:
        entries = freeze(self.table.clips(), self._base(self.table.pipeline()), run.id)
        key = naming.dataset_key(run.id, "manifest.jsonl")
        # Whoever writes first decides; everything else derives from what was written.
        manifest = self.data.put_once(key, to_jsonl(entries), "application/x-ndjson")
        entries = from_jsonl(manifest, self.data.uri(key))
        new = new_entries(entries, run.id)
        self.data.put(naming.dataset_key(run.id, "new.jsonl"), to_jsonl(new), "application/x-ndjson")
        self._put_manifest(run.id, "new.manifest", new)
        noise = noise_entries(entries)
        if noise:
            self._put_manifest(run.id, "noise.manifest", noise)
        return self.table.advance(run.id, lambda _: Frozen(now, len(new), len(entries), digest(manifest)))

    def _put_manifest(self, run: str, name: str, entries: Sequence[Entry]) -> None:
        prefix = f"s3://{self.clips_bucket}/{naming.CLIP_PREFIX}"
        keys = (entry.key.removeprefix(naming.CLIP_PREFIX) for entry in entries)
        self.data.put(naming.dataset_key(run, name), manifest_file(prefix, keys), "application/json")

    def _start_job(self, run: Run) -> None:
        code = self.sources.publish(self.data)
        with_noise = self.data.exists(naming.dataset_key(run.id, "noise.manifest"))
        places = Places(self.data.name, code, self.sources.version)
        self.jobs.ensure_processing(
            processing_request(run.id, self.settings, places, self.frontend, run.clips_new, with_noise)
        )
