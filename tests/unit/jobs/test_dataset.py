"""Labels, speakers, splits, manifests, shards, and what of them makes a training set."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kws import dataset, labels, shards, splits, training_set
from made_clips import manifest_text

NAMES = ("yes", "no", "unknown", "silence")


# --- labels


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("yes", "yes"),
        ("cat", "unknown"),
        ("unknown", "unknown"),
        ("_silence_", "silence"),
        ("Yes", "unknown"),
        ("_background_noise_", "silence"),
        ("silence", "silence"),
    ],
)
def test_class_of_a_label(label: str, expected: str) -> None:
    assert labels.class_of(label, NAMES) == expected


def test_a_model_without_a_class_for_a_label_says_so() -> None:
    assert labels.class_of("cat", ("yes", "no")) is None
    assert labels.class_of("_silence_", ("yes", "unknown")) is None


def test_labels_of_keywords_keep_their_order() -> None:
    assert labels.model_labels(["stop", "go"]) == ("stop", "go", "unknown", "silence")


@pytest.mark.parametrize("keywords", [[], [""], ["Yes"], ["yes", "yes"], ["unknown"], ["silence"], ["a" * 33], ["_x"]])
def test_keywords_that_cannot_be_are_refused(keywords: list[str]) -> None:
    with pytest.raises(labels.LabelError, match=";"):
        labels.model_labels(keywords)


# --- speakers and splits


def test_the_speaker_stands_before_nohash() -> None:
    assert splits.speaker_of("clips/yes/0a7c2a8d_nohash_0.wav", "f" * 64) == "0a7c2a8d"
    assert splits.speaker_of("clips/yes/b/a.wav", "ab" * 32) == "ab" * 8
    assert splits.speaker_of("_nohash_0.wav", "ab" * 32) == "ab" * 8


@given(st.text(min_size=1), st.integers(0, 99), st.integers(0, 99), st.sampled_from(["yes", "no"]))
def test_a_speaker_is_in_one_split_only(speaker: str, first: int, second: int, word: str) -> None:
    # GIVEN two clips of a speaker
    names = [f"{word}/{speaker.replace('/', '')}_nohash_{n}.wav" for n in (first, second)]
    # WHEN / THEN their splits are one, and the one of Speech Commands' rule
    own = splits.speaker_of(names[0], "0" * 64)
    percent = int(hashlib.sha1(own.encode()).hexdigest(), 16) % (2**27) * (100.0 / (2**27 - 1))
    expected = "validation" if percent < 10 else "test" if percent < 20 else "train"
    assert [splits.split_of(splits.speaker_of(name, "0" * 64)) for name in names] == [expected] * 2


def test_a_tenth_is_validation_and_a_tenth_test() -> None:
    shares = [splits.split_of(f"{n:08x}") for n in range(20000)]
    assert shares.count("validation") / 20000 == pytest.approx(0.1, abs=0.01)
    assert shares.count("test") / 20000 == pytest.approx(0.1, abs=0.01)


# --- manifests


def clip(name: str, label: str = "yes", split: str = "train", sha256: str = "") -> dataset.Clip:
    digest = sha256 or hashlib.sha256(f"{label}/{name}".encode()).hexdigest()
    return dataset.Clip(f"clips/{label}/{name}.wav", "v", digest, label, name, split, "r000001")


def test_a_manifest_is_read_back(tmp_path: Path) -> None:
    # GIVEN a manifest file
    clips = [clip("a"), clip("b", "no", "test")]
    path = tmp_path / "manifest.jsonl"
    path.write_text(manifest_text(clips))
    # WHEN / THEN reading gives its clips, and the digest that names the dataset
    assert dataset.read(path) == (clips, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "line 1: not JSON"),
        ("[1]", "needs the text fields"),
        ('{"key":"a"}', "needs the text fields"),
        (manifest_text([clip("a")]) * 2, "line 2: clips/yes/a.wav stands there twice"),
        (manifest_text([clip("a", sha256="g" * 64)]), "not 64 hex digits"),
        (manifest_text([clip("a", split="dev")]), "split 'dev'"),
    ],
)
def test_a_damaged_manifest_names_the_line(text: str, fault: str) -> None:
    with pytest.raises(dataset.DatasetError, match=fault):
        dataset.parse(text, "manifest.jsonl")


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(dataset.DatasetError, match=r"new\.jsonl: cannot be read"):
        dataset.read(tmp_path / "new.jsonl")


# --- shards


def rows(*entries: tuple[str, str, str, int], frontend: str = "micro-7b49ead9", seed: int = 0) -> shards.Rows:
    """Rows of (sha256, label, split, copy) with random features."""
    features = np.random.default_rng(seed).integers(-128, 128, (len(entries), 49, 40)).astype(np.int8)
    return shards.Rows(
        frontend,
        features,
        np.array([e[0] for e in entries], "U64"),
        np.array([e[1] for e in entries], "U32"),
        np.array([e[2] for e in entries], "U10"),
        np.array([e[3] for e in entries], np.uint8),
    )


def test_a_shard_is_read_back_and_is_the_same_each_time(tmp_path: Path) -> None:
    # GIVEN the same rows, written twice
    some = rows(("a" * 64, "yes", "train", 0), ("a" * 64, "yes", "train", 1))
    for name in ("one.npz", "two.npz"):
        shards.save(tmp_path / name, some)
    # THEN the bytes are the same
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    # AND numpy reads the contract's arrays
    with np.load(tmp_path / "one.npz") as archive:
        assert {name: archive[name].dtype.str for name in ("features", "clip", "label", "split", "copy")} == {
            "features": "|i1",
            "clip": "<U64",
            "label": "<U32",
            "split": "<U10",
            "copy": "|u1",
        }
    # AND so do we
    back = shards.load(tmp_path / "one.npz", (49, 40))
    np.testing.assert_array_equal(back.features, some.features)
    assert back.frontend == "micro-7b49ead9"


def test_damaged_shards_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard-algo-1-0000.npz"
    shards.save(path, rows(("a" * 64, "yes", "train", 0)))
    content = path.read_bytes()
    for damaged in (b"", b"PK\x03\x04", content[:-40], content[:500]):
        path.write_bytes(damaged)
        with pytest.raises(shards.ShardError, match="shard-algo-1-0000"):
            shards.load(path, (49, 40))


def test_shards_of_another_shape_or_length_are_refused(tmp_path: Path) -> None:
    # GIVEN a good shard, one with a column short, one that pickles
    good = rows(("a" * 64, "yes", "train", 0), ("b" * 64, "no", "test", 0))
    arrays = {
        "frontend": np.array("m"),
        "features": good.features,
        "clip": good.clip,
        "label": good.label,
        "split": good.split,
        "copy": good.copy,
    }
    for wrong in (
        {"clip": good.clip[:1]},
        {"label": good.label.astype(object)},
        {"features": good.features[0]},
        {"features": good.features.astype(np.int16)},
    ):
        np.savez(tmp_path / "shard.npz", **{**arrays, **wrong})
        # WHEN / THEN it is refused
        with pytest.raises(shards.ShardError):
            shards.load(tmp_path / "shard.npz", (49, 40))
    shards.save(tmp_path / "shard.npz", good)
    with pytest.raises(shards.ShardError, match="features of"):
        shards.load(tmp_path / "shard.npz", (49, 43))


# --- training set


def small() -> tuple[list[dataset.Clip], shards.Rows]:
    """Two keywords and another word of twenty speakers, two copies of each training clip, noise."""
    clips, entries = [], []
    for word in ("yes", "no", "cat"):
        for number in range(20):
            one = clip(
                f"{number:08x}", word, ("train", "validation", "test")[0 if number < 16 else 1 if number < 18 else 2]
            )
            clips.append(one)
            entries += [(one.sha256, word, one.split, copy) for copy in range(3 if one.split == "train" else 1)]
    noise = clip("hum", "_background_noise_", "train")
    clips.append(noise)
    entries += [(noise.sha256, "_silence_", split, 0) for split in ("train", "train", "validation", "test")]
    return clips, rows(*entries)


def test_training_takes_copies_and_judging_does_not() -> None:
    clips, every = small()
    data = training_set.assemble(every, clips, NAMES)
    assert np.bincount(data.train.classes).tolist() == [48, 48, 48, 2]
    assert np.bincount(data.validation.classes).tolist() == [2, 2, 2, 1]
    assert np.bincount(data.test.classes).tolist() == [2, 2, 2, 1]
    assert not data.validation_is_training


def test_no_speaker_is_trained_on_and_tested() -> None:
    clips, every = small()
    data = training_set.assemble(every, clips, NAMES)
    speaker = {c.sha256: c.speaker for c in clips if not c.is_noise}
    heard = {speaker[name] for name in data.train.clip if name in speaker}
    tested = {speaker[name] for name in data.test.clip if name in speaker}
    assert heard
    assert tested
    assert not heard & tested


def test_the_order_and_repetition_of_rows_change_nothing() -> None:
    # GIVEN the rows, and the same shuffled and delivered twice
    clips, every = small()
    order = np.random.default_rng(1).permutation(np.tile(np.arange(len(every)), 2))
    shuffled = shards.Rows(
        every.frontend, *(getattr(every, n)[order] for n in ("features", "clip", "label", "split", "copy"))
    )
    # WHEN both are assembled
    one, two = (training_set.assemble(r, c, NAMES) for r, c in ((every, clips), (shuffled, clips[::-1])))
    # THEN they are the same
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(one, part).features, getattr(two, part).features)
        np.testing.assert_array_equal(getattr(one, part).classes, getattr(two, part).classes)
    np.testing.assert_array_equal(one.chances, two.chances)


def test_rows_of_clips_outside_the_dataset_do_not_count() -> None:
    # GIVEN shards that hold more than the dataset
    clips, every = small()
    more = shards.join(
        [every, rows(("f" * 64, "yes", "train", 0), ("generated-r1-0000", "_silence_", "train", 0))],
        every.frontend,
        (49, 40),
    )
    # WHEN / THEN only the dataset's rows are used; generated silence gives way to recorded
    assert len(training_set.assemble(more, clips, NAMES).train) == len(training_set.assemble(every, clips, NAMES).train)


def test_generated_silence_counts_without_recordings() -> None:
    clips, every = small()
    clips = [c for c in clips if not c.is_noise]
    more = shards.join([every, rows(("generated-r1-0000", "_silence_", "train", 0))], every.frontend, (49, 40))
    assert np.bincount(training_set.assemble(more, clips, NAMES).train.classes).tolist() == [48, 48, 48, 1]


def test_the_manifest_decides_label_and_split() -> None:
    # GIVEN a clip that moved from `cat` to `yes` and whose row still says otherwise
    clips, every = small()
    moved = [
        dataset.Clip(c.key, c.version_id, c.sha256, "yes", c.speaker, c.split, c.run)
        if c.label == "cat" and c.speaker == "00000000"
        else c
        for c in clips
    ]
    # WHEN / THEN it counts as the manifest says
    assert np.bincount(training_set.assemble(every, moved, NAMES).train.classes).tolist() == [51, 48, 45, 2]


def test_classes_are_drawn_by_fixed_shares() -> None:
    clips, every = small()
    data = training_set.assemble(every, clips, NAMES)
    shares = [data.chances[data.train.classes == index].sum() for index in range(4)]
    unknown = 0.92 * training_set.UNKNOWN_KEYWORDS / (2 + training_set.UNKNOWN_KEYWORDS)
    assert shares == pytest.approx([(0.92 - unknown) / 2, (0.92 - unknown) / 2, unknown, 0.08])


@pytest.mark.parametrize(
    ("names", "drop", "fault"),
    [
        (("yes", "up", "unknown", "silence"), lambda c: False, r"keyword 'up' has no clips; drop clips of more"),
        (
            NAMES,
            lambda c: c.label == "yes" and c.split == "train",
            "keyword 'yes' has 4 clips of 4 speakers: none to train with, 2 to test; drop",
        ),
        (
            ("yes", "unknown", "silence"),
            lambda c: c.label in ("no", "cat"),
            "all training clips with speech are of one",
        ),
        (
            NAMES,
            lambda c: c.split == "test",
            "'yes' has 18 clips of 18 speakers: 16 to train with, none to test; keyword 'no' has 18",
        ),
        (
            NAMES,
            lambda c: c.label == "no" and c.speaker != "00000000",
            "keyword 'no' has 1 clip of 1 speaker: 1 to train with, none to test; drop clips of more speakers",
        ),
    ],
)
def test_what_gives_no_model_says_what_is_missing(
    names: tuple[str, ...], drop: Callable[[dataset.Clip], bool], fault: str
) -> None:
    clips, every = small()
    with pytest.raises(training_set.TrainingSetError, match=fault):
        training_set.assemble(every, [c for c in clips if not drop(c)], names)


def test_without_validation_clips_training_clips_stand_in() -> None:
    clips, every = small()
    data = training_set.assemble(every, [c for c in clips if c.split != "validation"], NAMES)
    assert data.validation_is_training
    assert len(data.validation) > 0
