import json
from collections import Counter

import pytest
from earshot_pipeline.dataset import (
    BadManifestError,
    Entry,
    audio_entries,
    digest,
    freeze,
    from_jsonl,
    manifest_file,
    new_entries,
    noise_entries,
    runs_of,
    to_jsonl,
    without,
)
from earshot_pipeline.ingest import Clip
from hypothesis import given
from hypothesis import strategies as st


def clip(sha, key, label="yes", speaker="s1"):
    return Clip(sha * 64, key, "v1", label, speaker, 0.0)


def test_only_what_changed_is_new():
    # GIVEN a dataset of two clips WHEN one changes its label and a third arrives
    base = freeze([clip("a", "clips/yes/1.wav"), clip("b", "clips/yes/2.wav")], (), "r000001")
    index = [clip("a", "clips/yes/1.wav"), clip("b", "clips/no/2.wav", "no"), clip("c", "clips/yes/3.wav")]
    entries = freeze(index, base, "r000002")
    # THEN the next run preprocesses these two, and the first keeps its features
    assert [(entry.key, entry.run) for entry in entries] == [
        ("clips/no/2.wav", "r000002"),
        ("clips/yes/1.wav", "r000001"),
        ("clips/yes/3.wav", "r000002"),
    ]
    assert len(new_entries(entries, "r000002")) == 2
    assert runs_of(entries) == ("r000001", "r000002")


def test_rejected_clips_leave_the_dataset_once_and_only_those_of_the_run():
    # GIVEN a dataset WHEN a new clip is rejected twice, and an old one is named THEN only the new one goes
    base = freeze([clip("a", "clips/yes/1.wav")], (), "r000001")
    entries = freeze([clip("a", "clips/yes/1.wav"), clip("b", "clips/yes/2.wav")], base, "r000002")
    left = without(entries, ["a" * 64, "b" * 64, "b" * 64], "r000002")
    assert [entry.sha256[0] for entry in left] == ["a"]
    assert without(left, ["b" * 64], "r000002") == left


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(keys, unique=True, max_size=8), st.randoms())
def test_equal_datasets_are_equal_bytes_whatever_the_order(names, rng):
    # GIVEN clips in two orders, with any characters in their keys
    clips = [
        Clip(f"{number:064x}", f"clips/yes/{name}.wav", "v", "yes", name, 0.0) for number, name in enumerate(names)
    ]
    shuffled = list(clips)
    rng.shuffle(shuffled)
    # WHEN both are frozen THEN they are the same bytes, and read back
    one, other = to_jsonl(freeze(clips, (), "r000001")), to_jsonl(freeze(shuffled, (), "r000001"))
    assert digest(one) == digest(other)
    assert to_jsonl(from_jsonl(one, "m")) == one
    assert one.count(b"\n") == len(clips)


def test_a_damaged_manifest_names_file_and_line():
    good = to_jsonl(freeze([clip("a", "clips/yes/1.wav")], (), "r000001"))
    with pytest.raises(BadManifestError, match=r"s3://b/m\.jsonl, line 2: not an entry"):
        from_jsonl(good + b'{"key":1}\n', "s3://b/m.jsonl")


def test_manifest_files_are_sagemakers():
    # GIVEN keys below a prefix WHEN written THEN the prefix comes first
    assert json.loads(manifest_file("s3://b/clips/", ["yes/1.wav"])) == [{"prefix": "s3://b/clips/"}, "yes/1.wav"]


def test_noise_recordings_are_found():
    entries = freeze(
        [clip("a", "clips/_background_noise_/1.wav", "_background_noise_"), clip("b", "clips/yes/2.wav")], (), "r"
    )
    assert [entry.sha256[0] for entry in noise_entries(entries)] == ["a"]


def entry(number, label, split):
    sha = f"{number * 7919 % 100_003:064x}"
    return Entry(f"clips/{label}/{split}{number:05d}.wav", "v", sha, label, "s", split, "r000001")


def test_what_streaming_evaluation_plays():
    # GIVEN a dataset with many clips of a keyword and of other labels, in all splits, and noise
    labels = [("yes", 300), ("dog", 60), ("_silence_", 50), ("no", 3)]
    splits = ("train", "validation", "test")
    entries = [entry(n, label, split) for label, count in labels for split in splits for n in range(count)]
    noise = [entry(n, "_background_noise_", "train") for n in range(6)]
    # WHEN the recordings are chosen THEN all noise is, and of validation and test the first by content, each
    chosen = audio_entries([*entries, *noise], ["yes", "no"])
    counts = Counter((each.label, each.split) for each in chosen)
    assert counts == {
        ("_background_noise_", "train"): 6, ("yes", "validation"): 200, ("yes", "test"): 200,
        ("dog", "validation"): 40, ("dog", "test"): 40, ("_silence_", "validation"): 40, ("_silence_", "test"): 40,
        ("no", "validation"): 3, ("no", "test"): 3,
    }  # fmt: skip
    first = sorted((each for each in entries if (each.label, each.split) == ("dog", "test")), key=lambda e: e.sha256)
    assert {each.key for each in chosen if (each.label, each.split) == ("dog", "test")} == {e.key for e in first[:40]}
    # AND their order is that of their keys, whatever the dataset's
    assert [each.key for each in chosen] == sorted(each.key for each in chosen)
    assert audio_entries([*noise, *reversed(entries)], ["no", "yes"]) == chosen
    assert audio_entries([entry(1, "yes", "train")], ["yes"]) == ()
