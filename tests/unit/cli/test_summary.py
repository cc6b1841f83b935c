"""The demonstration's summary tells what was seen, and nothing else."""

import json
from pathlib import Path

import pytest

from earshot.demo import hearing, summary
from earshot.errors import EarshotError

RUN = {
    "id": "r000001",
    "state": "released",
    "version": "1.0.1",
    "clips_new": 3,
    "clips_total": 3,
    "times": {
        "preprocess_start": 1.0, "preprocess_end": 2.5, "train_start": 2.5, "train_end": 9.0,
        "release_start": 9.0, "release_end": 10.0,
    },
    "card": {
        "model_bytes": 10, "arena_bytes": 20, "frontend": "micro-1",
        "metrics": {
            "test": {"accuracy": {"float": 0.5, "int8": 0.25}, "confusion": {"labels": ["a"], "matrix": [[1]]},
                     "false_alarm_rate": 0.5},
            "streaming": {"words": 4, "misses": 1, "false_alarms_per_hour": 12.5, "by_snr": []},
        },
    },
}  # fmt: skip


def heard(said, board, endpoint):
    return hearing.Heard(Path("clip.wav"), said, board, endpoint)


def make(run):
    return summary.summarise(
        5, {"ingested": 3, "duplicate": 1, "quarantined": 1}, {"clips/x.wav": "broken"}, [run],
        {"status": "InService", "model_version": "1.0.1"}, "1.0.1",
        [heard("yes", "yes", "yes"), heard("no", "unknown", "no"), heard("no", "unknown", "unknown")],
    )  # fmt: skip


def test_it_counts_what_was_heard(tmp_path):
    told = make(RUN)
    summary.write(told, tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text()) == told
    assert told["runs"][0]["seconds"] == {"preprocess": 1.5, "train": 6.5, "release": 1.0}
    assert told["endpoint"] == {"status": "InService", "model_version": "1.0.1", "clips_tried": 3, "correct": 2}
    assert told["runs"][0]["streaming"] == {"words": 4, "misses": 1, "false_alarms_per_hour": 12.5}
    device = told["device"]
    assert (device["clips_heard"], device["correct"], device["agrees_with_cloud"]) == (3, 1, 2)


def test_what_was_never_seen_is_named(tmp_path):
    run = {**RUN, "version": "", "times": {"preprocess_start": 1.0}}
    with pytest.raises(EarshotError, match=r"runs\[0\]\.version, runs\[0\]\.seconds\.preprocess"):
        summary.write(make(run), tmp_path / "summary.json")


@pytest.mark.parametrize(
    ("label", "right"), [("yes", "yes"), ("dog", "unknown"), ("_silence_", "silence"), ("silence", "unknown")]
)
def test_the_right_answer_for_a_label(label, right):
    assert hearing.said(label, ["yes", "no"]) == right
