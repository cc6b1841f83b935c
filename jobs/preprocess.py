"""The processing job: the run's new clips to feature shards.

Reads the clips that SageMaker put on this host, checks each against the dataset's sha256, computes its
features and, for training clips, those of augmented copies, and writes shards, a list of rejected clips
and, last, a manifest. The same inputs give the same bytes, however many processes work on them.
"""

import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kws import audio, augment, dataset, features, labels, noise, shards, splits

# Augmented copies of a training clip where the job's environment does not say.
COPIES = 6
_CLIPS_A_TASK = 32
_CLIPS_A_SHARD = 1024
# From so many on, compiling the front end takes less time than it saves.
_CLIPS_WORTH_COMPILING = 500
_PROGRESS_SECONDS = 2.0
_GENERATED_SHARE = 0.1
_FEWEST_GENERATED = 50


class JobError(Exception):
    """The job cannot run; the message is what its owner reads."""


@dataclass(frozen=True)
class Settings:
    """What the job's environment says."""

    run: str
    front_end: features.FrontEnd
    seed: int
    copies: int
    host: str
    hosts: tuple[str, ...]
    processes: int

    @classmethod
    def of(cls, environment: dict[str, str], resources: dict[str, object], processes: int) -> "Settings":
        """Reads and checks them.

        Raises:
            JobError: a variable is missing, malformed, or asks for another front end than this code's.
        """
        try:
            run, name, wanted = (environment[v] for v in ("EARSHOT_RUN", "EARSHOT_FRONTEND", "EARSHOT_FRONTEND_ID"))
        except KeyError as missing:
            raise JobError(f"environment variable {missing.args[0]} is not set; set it in the job request") from None
        numbers = {}
        for variable, default, most in (("EARSHOT_SEED", "1", 2**63), ("EARSHOT_COPIES", str(COPIES), 255)):
            text = environment.get(variable, default)
            if not text.isdecimal() or int(text) > most:
                raise JobError(f"{variable}={text!r}: not a number from 0 to {most}; correct the job request")
            numbers[variable] = int(text)
        try:
            front_end = features.front_end(name)
        except features.UnknownFrontEndError as error:
            raise JobError(f"EARSHOT_FRONTEND={name}: {error}; deploy code and settings together") from error
        if front_end.id != wanted:
            raise JobError(
                f"this code computes front end {front_end.id}, the run wants {wanted}; deploy code and settings "
                "together"
            )
        host = str(resources.get("current_host", "algo-1"))
        hosts = resources.get("hosts", [host])
        if not isinstance(hosts, list) or host not in hosts:
            raise JobError(f"resourceconfig.json: host {host} is not among {hosts}; restart the job")
        return cls(run, front_end, numbers["EARSHOT_SEED"], numbers["EARSHOT_COPIES"], host, tuple(hosts), processes)


@dataclass(frozen=True)
class Task:
    """A few clips, with where this host has them."""

    clips: Sequence[tuple[dataset.Clip, Path]]


@dataclass(frozen=True)
class Done:
    """What came of a task: rows, and clips rejected with the reason."""

    rows: shards.Rows
    rejected: list[tuple[dataset.Clip, str]]
    clips: int


class Worker:
    """Computes tasks in any process: it holds the settings and the noise, and changes neither."""

    def __init__(self, settings: Settings, recordings: list[noise.Recording]) -> None:
        self._settings = settings
        self._recordings = recordings

    def __call__(self, task: Task) -> Done:
        """Rows of a task's clips, in order, a clip's copies after it."""
        rejected: list[tuple[dataset.Clip, str]] = []
        samples: list[audio.Samples] = []
        names: list[tuple[str, str, str, int]] = []
        for clip, path in task.clips:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != clip.sha256:
                rejected.append((clip, f"{clip.key}: its content changed after it was taken in; drop it again"))
                continue
            try:
                recording = audio.decode(content, clip.key)
            except audio.AudioError as error:
                rejected.append((clip, str(error)))
                continue
            for label, split, copy, second in self._seconds(clip, recording):
                samples.append(second)
                names.append((clip.sha256, label, split, copy))
        return Done(rows_of(self._settings.front_end, samples, names), rejected, len(task.clips))

    def _seconds(self, clip: dataset.Clip, recording: audio.Samples) -> Iterator[tuple[str, str, int, audio.Samples]]:
        seed = self._settings.seed
        if clip.is_noise:
            long_enough = noise.Recording.of(recording, clip.sha256, clip.split)
            for split, second in noise.silence_of(long_enough, seed):
                yield labels.SILENCE_CLIPS, split, 0, second
            return
        second = audio.fit_second(recording)
        yield clip.label, clip.split, 0, second
        if clip.split == splits.TRAIN:
            for copy in range(1, self._settings.copies + 1):
                yield clip.label, clip.split, copy, augment.copy_of(second, clip.sha256, copy, seed, self._recordings)


def rows_of(
    front_end: features.FrontEnd, samples: list[audio.Samples], names: list[tuple[str, str, str, int]]
) -> shards.Rows:
    """Rows of clips, a second long or with what was heard before it; a name is (sha256, label, split, copy)."""
    values = np.zeros((len(samples), *front_end.shape), np.int8)
    lengths = np.array([len(recording) for recording in samples], np.int64)
    for length in np.unique(lengths):
        of_length = np.flatnonzero(lengths == length)
        values[of_length] = front_end.features_at_end(np.stack([samples[index] for index in of_length]))
    columns = list(zip(*names, strict=True)) if names else [(), (), (), ()]
    return shards.Rows(
        front_end.id,
        values,
        np.array(columns[0], "U64"),
        np.array(columns[1], "U32"),
        np.array(columns[2], "U10"),
        np.array(columns[3], np.uint8),
    )


def locate(clips: list[dataset.Clip], folder: Path) -> list[tuple[dataset.Clip, Path]]:
    """The clips that this host has, with their files, sorted by key.

    SageMaker keeps the paths below the input manifest's prefix, which may or may not end in `clips/`.
    """
    found = []
    for clip in sorted(clips, key=lambda c: c.key):
        for path in (folder / clip.key, folder / clip.key.removeprefix("clips/")):
            if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                found.append((clip, path))
                break
    return found


def load_noise(folder: Path) -> list[noise.Recording]:
    """The dataset's noise recordings, in the order of their content; undecodable ones are left out."""
    recordings = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        try:
            samples = audio.decode(content, path.name)
        except audio.AudioError as error:
            sys.stdout.write(f"noise left out: {error}\n")
            continue
        split = splits.split_of(splits.speaker_of(path.name, digest))
        recordings[digest] = noise.Recording.of(samples, digest, split)
    return [recordings[digest] for digest in sorted(recordings)]


# The worker of a pool's process: handed over once, since it holds all noise recordings.
_worker: list[Worker] = []


def _work(task: Task) -> Done:
    return _worker[0](task)


def _results(worker: Worker, tasks: list[Task], processes: int) -> Iterator[Done]:
    """Results in the order of the tasks."""
    if processes == 1 or len(tasks) < 2:
        yield from map(worker, tasks)
        return
    with multiprocessing.get_context("fork").Pool(processes, _worker.append, (worker,)) as pool:
        yield from pool.imap(_work, tasks)


class _Progress:
    """Lines of progress, every two seconds and at the end."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._started = total, 0, time.monotonic()
        self._told = self._started

    def add(self, clips: int) -> None:
        self._done += clips
        now = time.monotonic()
        if now - self._told >= _PROGRESS_SECONDS or self._done == self._total:
            self._told = now
            rate = self._done / max(now - self._started, 1e-3)
            sys.stdout.write(f"preprocess {self._done}/{self._total} clips {rate:.0f} clips/s\n")
            sys.stdout.flush()


def preprocess(settings: Settings, inputs: Path, output: Path) -> dict[str, object]:
    """Runs the job.

    Args:
        settings: the job's settings.
        inputs: folder with `dataset/new.jsonl`, `clips/…` and, where there is noise, `noise/…`.
        output: folder for shards, rejected clips and the manifest.

    Returns:
        The manifest.

    Raises:
        JobError: the host has nothing to work on, or not the clips that it should have.
        dataset.DatasetError: the list of new clips cannot be used.
    """
    started = time.monotonic()
    clips, _ = dataset.read(inputs / "dataset" / "new.jsonl")
    mine = locate(clips, inputs / "clips")
    recordings = load_noise(inputs / "noise") if (inputs / "noise").is_dir() else []
    rejected: list[tuple[dataset.Clip, str]] = []
    if len(settings.hosts) == 1:
        here = {clip.key for clip, _ in mine}
        rejected += [
            (clip, f"{clip.key}: is no longer in the bucket; drop it again") for clip in clips if clip.key not in here
        ]

    output.mkdir(parents=True, exist_ok=True)
    tasks = [Task(mine[start : start + _CLIPS_A_TASK]) for start in range(0, len(mine), _CLIPS_A_TASK)]
    progress = _Progress(len(mine))
    names: list[str] = []
    pending: list[shards.Rows] = []
    pending_clips = total_rows = 0

    def flush() -> None:
        nonlocal pending_clips, total_rows
        rows = shards.join(pending, settings.front_end.id, settings.front_end.shape)
        if len(rows):
            names.append(f"shard-{settings.host}-{len(names):04d}.npz")
            shards.save(output / names[-1], rows)
            total_rows += len(rows)
        pending.clear()
        pending_clips = 0

    if len(mine) >= _CLIPS_WORTH_COMPILING:
        features.speed_up()
    for done in _results(Worker(settings, recordings), tasks, settings.processes):
        pending.append(done.rows)
        rejected += done.rejected
        pending_clips += done.clips
        progress.add(done.clips)
        if pending_clips >= _CLIPS_A_SHARD:
            flush()
    if not recordings and settings.host == sorted(settings.hosts)[0]:
        pending.append(_generated_silence(settings, len(clips)))
    flush()

    rejected_name = f"rejected-{settings.host}.jsonl"
    lines = [
        features.canonical_json({"key": c.key, "version_id": c.version_id, "sha256": c.sha256, "reason": reason})
        for c, reason in sorted(rejected, key=lambda pair: pair[0].key)
    ]
    (output / rejected_name).write_text("".join(line + "\n" for line in lines))
    manifest: dict[str, object] = {
        "schema": shards.SCHEMA,
        "frontend": settings.front_end.id,
        "run": settings.run,
        "host": settings.host,
        "hosts": list(settings.hosts),
        "shards": names,
        "rejected": rejected_name,
        "clips": len(mine) - sum(clip.key in {c.key for c, _ in mine} for clip, _ in rejected),
        "rows": total_rows,
        "seconds": round(time.monotonic() - started, 3),
    }
    (output / f"manifest-{settings.host}.json").write_text(features.canonical_json(manifest) + "\n")
    for clip, reason in rejected:
        sys.stdout.write(f"rejected {clip.key}: {reason}\n")
    return manifest


def _generated_silence(settings: Settings, clips: int) -> shards.Rows:
    count = max(_FEWEST_GENERATED, round(clips * _GENERATED_SHARE))
    made = list(noise.silence_generated(settings.run, count, settings.seed))
    return rows_of(
        settings.front_end,
        [second for _, _, second in made],
        [(name, labels.SILENCE_CLIPS, split, 0) for name, split, _ in made],
    )


def main() -> int:
    """Runs the job in its container."""
    root = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    resources = root / "config" / "resourceconfig.json"
    try:
        settings = Settings.of(
            dict(os.environ),
            json.loads(resources.read_text()) if resources.is_file() else {},
            os.cpu_count() or 1,
        )
        manifest = preprocess(settings, root / "processing" / "input", root / "processing" / "output" / "features")
    except (JobError, dataset.DatasetError) as error:
        sys.stderr.write(f"preprocessing failed: {error}\n")
        return 1
    sys.stdout.write(f"preprocess done {manifest['clips']} clips {manifest['rows']} rows {manifest['seconds']} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
