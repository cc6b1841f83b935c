"""The processing job: the same bytes however it is divided, and a reason for every clip left out."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import preprocess
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import audio, augment, features, noise, shards
from made_clips import describe, encode, lay_out, small_clips, tone


def job(hosts: tuple[str, ...] = ("algo-1",), host: str = "algo-1", processes: int = 1) -> preprocess.Settings:
    return preprocess.Settings("r000001", features.MICRO, 1, 2, host, hosts, processes)


def every_row(*folders: Path) -> list[tuple[object, ...]]:
    """All rows of all shards, as comparable values in an order of their own."""
    found = []
    for folder in folders:
        for path in sorted(folder.glob("shard-*.npz")):
            rows = shards.load(path, (49, 40))
            found += [
                (
                    str(rows.clip[i]),
                    str(rows.label[i]),
                    str(rows.split[i]),
                    int(rows.copy[i]),
                    rows.features[i].tobytes(),
                )
                for i in range(len(rows))
            ]
    return sorted(found)


def test_rows_are_the_clips_and_copies_of_training_clips(tmp_path: Path) -> None:
    # GIVEN a small dataset
    files = small_clips(speakers=12)
    inputs = lay_out(tmp_path / "in", files)
    # WHEN it is preprocessed with two copies
    manifest = preprocess.preprocess(job(), inputs, tmp_path / "out")
    # THEN each clip stands there once, with its label and split, and copies of training clips beside it
    rows = [row[:4] for row in every_row(tmp_path / "out")]
    for clip in describe(files):
        if clip.is_noise:
            continue
        own = [row for row in rows if row[0] == clip.sha256]
        copies = range(3 if clip.split == "train" else 1)
        assert own == [(clip.sha256, clip.label, clip.split, copy) for copy in copies]
    # AND the clip's own row is the front end's answer to it
    key = "clips/yes/00000003_nohash_0.wav"
    digest = hashlib.sha256(files[key]).hexdigest()
    expected = features.MICRO.features(audio.fit_second(audio.decode(files[key], key))[None])[0].tobytes()
    assert next(row[4] for row in every_row(tmp_path / "out") if row[0] == digest and row[3] == 0) == expected
    # AND silence was cut from the noise recording, in all splits
    silence = [row for row in rows if row[1] == "_silence_"]
    assert {row[2] for row in silence} == {"train", "validation", "test"}
    assert {row[0] for row in silence} == {hashlib.sha256(files["clips/_background_noise_/hum.flac"]).hexdigest()}
    # AND the manifest says what is there
    assert manifest == json.loads((tmp_path / "out" / "manifest-algo-1.json").read_text())
    assert (manifest["clips"], manifest["rows"]) == (len(files), len(rows))
    assert [path.name for path in sorted((tmp_path / "out").glob("shard-*"))] == manifest["shards"]


def test_processes_and_repetition_give_the_same_bytes(tmp_path: Path) -> None:
    # GIVEN the same input, worked on by one process and by three
    inputs = lay_out(tmp_path / "in", small_clips(speakers=24))
    for name, processes in (("one", 1), ("three", 3)):
        preprocess.preprocess(job(processes=processes), inputs, tmp_path / name)
    # THEN the shards are equal byte by byte
    shards_of = [{p.name: p.read_bytes() for p in (tmp_path / n).glob("shard-*")} for n in ("one", "three")]
    assert shards_of[0]
    assert shards_of[0] == shards_of[1]


def test_sharding_over_hosts_gives_the_same_rows(tmp_path: Path) -> None:
    # GIVEN clips on one host, and the same clips dealt out to two hosts which both have the noise
    files = small_clips(speakers=10)
    hosts = ("algo-1", "algo-2")
    preprocess.preprocess(job(), lay_out(tmp_path / "in", files), tmp_path / "whole")
    for index, host in enumerate(hosts):
        inputs = lay_out(tmp_path / host, files)
        for key in sorted(files)[1 - index :: 2]:
            (inputs / key).unlink()
        preprocess.preprocess(job(hosts, host), inputs, tmp_path / f"out-{host}")
    # THEN together they made the rows that one would have
    assert every_row(*(tmp_path / f"out-{host}" for host in hosts)) == every_row(tmp_path / "whole")


def test_paths_below_the_clips_prefix_are_found_too(tmp_path: Path) -> None:
    # GIVEN files laid out by their whole keys
    files = small_clips(speakers=4)
    inputs = lay_out(tmp_path / "in", files)
    # WHEN / THEN they are found below the folder, and below its `clips`, as the manifest's prefix may say
    assert len(preprocess.locate(describe(files), inputs)) == len(files)
    assert len(preprocess.locate(describe(files), inputs / "clips")) == len(files)


def test_a_key_that_leaves_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(encode(tone(400, 1)))
    (tmp_path / "clips").mkdir()
    clips = describe({"clips/../secret.wav": encode(tone(400, 1))})
    assert preprocess.locate(clips, tmp_path / "clips") == []


def test_rejected_clips_are_listed_with_reasons(tmp_path: Path) -> None:
    # GIVEN a clip that is none, one that changed, one that is gone, and good ones
    files = small_clips(speakers=4)
    files["clips/yes/song.wav"] = b"ID3\x04" + bytes(500)
    clips = describe(files)
    inputs = lay_out(tmp_path / "in", files, clips)
    (inputs / "clips/no/00000001_nohash_0.wav").write_bytes(encode(tone(999, 5)))
    (inputs / "clips/no/00000002_nohash_0.wav").unlink()
    # WHEN the job runs
    manifest = preprocess.preprocess(job(), inputs, tmp_path / "out")
    # THEN each is listed with its version and the reason, and has no rows
    lines = [json.loads(line) for line in (tmp_path / "out" / "rejected-algo-1.jsonl").read_text().splitlines()]
    assert [(line["key"], line["version_id"]) for line in lines] == [
        ("clips/no/00000001_nohash_0.wav", "v1"),
        ("clips/no/00000002_nohash_0.wav", "v1"),
        ("clips/yes/song.wav", "v1"),
    ]
    for line, reason in zip(lines, ("content changed", "no longer in the bucket", "cannot be decoded"), strict=True):
        assert reason in line["reason"]
    assert not {line["sha256"] for line in lines} & {row[0] for row in every_row(tmp_path / "out")}
    assert manifest["clips"] == len(files) - 3


def test_without_noise_recordings_silence_is_generated_once(tmp_path: Path) -> None:
    # GIVEN a dataset without noise recordings on two hosts
    files = {key: content for key, content in small_clips(speakers=4).items() if "_background_noise_" not in key}
    inputs = lay_out(tmp_path / "in", files)
    hosts = ("algo-1", "algo-2")
    for host in hosts:
        preprocess.preprocess(job(hosts, host), inputs, tmp_path / host)
    # THEN the first host alone made silence, for every split
    silence = [[row for row in every_row(tmp_path / host) if row[1] == "_silence_"] for host in hosts]
    assert {row[2] for row in silence[0]} == {"train", "validation", "test"}
    assert silence[1] == []
    assert all(str(row[0]).startswith("generated-r000001-") for row in silence[0])


def test_no_new_clips_still_give_a_manifest(tmp_path: Path) -> None:
    # GIVEN a run whose clips all fell away
    inputs = lay_out(tmp_path / "in", {})
    # WHEN / THEN the job ends well, for the pipeline to go on
    manifest = preprocess.preprocess(job(), inputs, tmp_path / "out")
    assert (manifest["clips"], manifest["schema"]) == (0, "earshot.features/1")


ENVIRONMENT = {"EARSHOT_RUN": "r000001", "EARSHOT_FRONTEND": "micro", "EARSHOT_FRONTEND_ID": features.MICRO.id}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"EARSHOT_RUN": None}, "EARSHOT_RUN is not set"),
        ({"EARSHOT_FRONTEND": "macro"}, "'macro' is unknown"),
        ({"EARSHOT_FRONTEND_ID": "micro-00000000"}, "computes front end micro-7b49ead9, the run wants micro-00000000"),
        ({"EARSHOT_COPIES": "-1"}, "EARSHOT_COPIES='-1'"),
        ({"EARSHOT_COPIES": "256"}, "EARSHOT_COPIES='256'"),
        ({"EARSHOT_SEED": "x"}, "EARSHOT_SEED='x'"),
    ],
)
def test_a_wrong_environment_is_refused(change: dict[str, str | None], fault: str) -> None:
    environment = {k: v for k, v in {**ENVIRONMENT, **change}.items() if v is not None}
    with pytest.raises(preprocess.JobError, match=fault):
        preprocess.Settings.of(environment, {}, 1)


def test_hosts_come_from_the_resource_configuration() -> None:
    resources: dict[str, object] = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    settings_ = preprocess.Settings.of({**ENVIRONMENT, "EARSHOT_SEED": "9"}, resources, 1)
    assert (settings_.host, settings_.hosts, settings_.seed) == ("algo-2", ("algo-1", "algo-2"), 9)
    assert settings_.copies == preprocess.COPIES


def test_the_job_runs_as_its_container_runs_it(tmp_path: Path, repository: Path) -> None:
    # GIVEN the folders of a container
    lay_out(tmp_path / "processing" / "input", small_clips(speakers=3))
    environment = {**os.environ, **ENVIRONMENT, "EARSHOT_COPIES": "1", "SAGEMAKER_BASE_DIR": str(tmp_path)}
    command = [sys.executable, str(repository / "jobs" / "preprocess.py")]
    # WHEN its entry point runs
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    # THEN it ends well, having told its progress
    assert done.returncode == 0, done.stderr
    assert "preprocess 10/10 clips" in done.stdout
    assert (tmp_path / "processing" / "output" / "features" / "manifest-algo-1.json").exists()
    # AND a wrong front end ends it with a sentence
    environment["EARSHOT_FRONTEND_ID"] = "micro-00000000"
    failed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("preprocessing failed: this code computes front end")


# --- augmentation and noise


def recordings() -> list[noise.Recording]:
    random = np.random.default_rng(2)
    return [
        noise.Recording.of((random.normal(0, level, 16000 * 12)).astype(np.int16), f"{n:064x}", "train")
        for n, level in enumerate((30, 9000))
    ]


@settings(max_examples=20, deadline=None)
@given(number=st.integers(1, 5), seed=st.integers(0, 99))
def test_a_copy_depends_on_nothing_but_seed_content_and_number(number: int, seed: int) -> None:
    clip, digest = tone(700, 4), "ab" * 32
    one, two = (augment.copy_of(clip, digest, number, seed, recordings()) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, augment.copy_of(clip, digest, number + 1, seed, recordings()))
    assert not np.array_equal(one, augment.copy_of(clip, "cd" * 32, number, seed, recordings()))


def test_about_half_the_copies_carry_noise_at_the_chosen_ratio() -> None:
    # GIVEN copies of a clip that is silent in its first half second
    clip = np.concatenate([np.zeros(8000, np.int16), tone(700, 4, 0.5)])
    copies = [augment.copy_of(clip, "ab" * 32, n, 1, recordings()) for n in range(1, 201, 2)]
    # WHEN the part before the word (at most 100 ms earlier, and a little with speed) is measured
    noisy = [copy for copy in copies if copy[:5000].any()]
    # THEN about half carry noise, weaker than the word by 5 dB at least
    assert 35 <= len(noisy) <= 65
    for copy in noisy:
        quiet = np.mean(copy[:5000].astype(float) ** 2)
        whole = np.mean(copy.astype(float) ** 2)
        assert quiet < whole * 10**-0.5 * 1.3


def test_silent_and_full_scale_clips_are_augmented_safely() -> None:
    for clip in (np.zeros(16000, np.int16), np.full(16000, -32768, np.int16)):
        for number in range(1, 20):
            copy = augment.copy_of(clip, "00" * 32, number, 1, recordings())
            assert copy.dtype == np.int16
            assert copy.shape == (16000 if number % 2 else 32000,)


@given(factor=st.floats(*augment.SPEED))
def test_a_faster_clip_sounds_higher_and_stays_in_the_middle(factor: float) -> None:
    # GIVEN a tone of 700 Hz in the middle of a second
    clip = np.pad(tone(700, 4, 0.5), 4000)
    # WHEN it is played faster or slower
    played = augment._at_speed(clip, factor).astype(float)
    # THEN it is a second long still, as much higher as it is faster, and where it was
    assert played.shape == (16000,)
    peak, before = (int(np.argmax(np.abs(np.fft.rfft(p)))) for p in (played, clip))
    assert abs(peak - before * factor) <= 12
    centre = np.sum(played**2 * np.arange(16000)) / np.sum(played**2)
    assert abs(centre - 8000) < 200


def test_every_second_copy_is_heard_in_the_midst_of_a_stream() -> None:
    # GIVEN a copy with what was heard before it
    long = augment.copy_of(tone(700, 4), "ab" * 32, 2, 1, recordings())
    # WHEN its features are computed
    row = preprocess.rows_of(features.MICRO, [long], [("ab" * 32, "yes", "train", 2)]).features[0]
    # THEN they are those of a stream that heard all of it, and not those of a beginning
    np.testing.assert_array_equal(row, features.MICRO.stream(1).feed(long[None])[0, -49:])
    assert (row != features.MICRO.features(long[None, 16000:])[0]).any()


def test_splits_hear_different_parts_of_a_recording() -> None:
    # GIVEN a recording that counts upward, so that a window shows its place
    ramp = np.linspace(-20000, 20000, 16000 * 20).astype(np.int16)
    recording = noise.Recording.of(ramp, "0" * 64, "train")
    # WHEN many windows are drawn for each split
    random = np.random.default_rng(0)
    spans = {}
    for split in ("train", "validation", "test"):
        windows = [w for w in (recording.window(split, random) for _ in range(50)) if w is not None]
        spans[split] = (min(w[0] for w in windows), max(w[-1] for w in windows))
    # THEN they never meet
    assert spans["train"][1] <= spans["validation"][0]
    assert spans["validation"][1] <= spans["test"][0]


@pytest.mark.parametrize("length", [1, 100, 16000, 100000])
def test_a_short_recording_belongs_to_one_split(length: int) -> None:
    samples = np.random.default_rng(0).integers(-99, 99, length).astype(np.int16)
    made = list(noise.silence_of(noise.Recording.of(samples, "0" * 64, "validation"), seed=1))
    assert {split for split, _ in made} == {"validation"}
    assert all(second.shape == (16000,) for _, second in made)


def test_a_recording_of_plain_zeros_is_silence() -> None:
    made = list(noise.silence_of(noise.Recording.of(np.zeros(200000, np.int16), "0" * 64, "train"), seed=1))
    assert made
    assert not any(second.any() for _, second in made)


def test_levels_of_recordings_do_not_matter() -> None:
    # GIVEN a recording and the same far below its level
    loud = np.random.default_rng(0).normal(0, 8000, 16000 * 12).astype(np.int16)
    quiet = (loud / 100).astype(np.int16)
    # WHEN / THEN silence of both is about as loud
    levels = [
        np.mean([np.std(second) for _, second in noise.silence_of(noise.Recording.of(r, "0" * 64, "train"), 1)])
        for r in (loud, quiet)
    ]
    assert levels[0] == pytest.approx(levels[1], rel=0.05)
