"""Trade-off, calibration and the judgement of test clips, against examples counted by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kws import calibration, dataset, evaluation, metrics, tradeoff, training_set

LABELS = ("yes", "no", "unknown", "silence")


def clip(name: str, sha256: str, label: str = "yes") -> dataset.Clip:
    return dataset.Clip(f"clips/{label}/{name}", "v", sha256, label, "s", "test", "r000001")


# --- trade-off


def test_a_trade_off_counted_by_hand() -> None:
    # GIVEN three clips of the keyword and two others
    scores = np.array([0.9, 0.5, 0.25, 0.5, 0.0])
    said = np.array([True, True, True, False, False])
    # WHEN
    curve = tradeoff.curve(scores, said)
    # THEN a rate changes just above each score, and the clip at the threshold itself is called the keyword
    assert curve is not None
    step = 1 / 256
    assert curve.thresholds.tolist() == [0, step, 0.25 + step, 0.5 + step, 231 * step]
    assert curve.miss_rate.tolist() == [0, 0, 1 / 3, 2 / 3, 1]
    assert curve.false_alarm_rate.tolist() == [1, 0.5, 0.5, 0, 0]


@pytest.mark.parametrize("said", [[True, True], [False, False]])
def test_there_is_no_trade_off_of_one_kind_of_clip(said: list[bool]) -> None:
    assert tradeoff.curve(np.array([0.1, 0.9]), np.array(said)) is None


answered = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60)


@given(answered)
def test_a_higher_threshold_never_hears_more(rows: list[tuple[float, bool]]) -> None:
    scores, said = np.array([s for s, _ in rows]), np.array([k for _, k in rows])
    curve = tradeoff.curve(scores, said)
    if curve is None:
        assert said.all() or not said.any()
        return
    assert (np.diff(curve.thresholds) > 0).all()
    assert (np.diff(curve.miss_rate) >= 0).all()
    assert (np.diff(curve.false_alarm_rate) <= 0).all()
    assert (curve.miss_rate[0], curve.false_alarm_rate[0]) == (0, 1)
    for threshold, missed, alarms in zip(curve.thresholds, curve.miss_rate, curve.false_alarm_rate, strict=True):
        assert missed == np.mean(scores[said] < threshold)
        assert alarms == np.mean(scores[~said] >= threshold)


# --- calibration


def test_a_calibration_counted_by_hand() -> None:
    # GIVEN two answers at 0.8, one right; one at 1.0, right; one at 0.1, wrong
    of = calibration.bins(np.array([0.8, 0.8, 1.0, 0.1]), np.array([True, False, True, False]))
    # THEN each lies in its fifteenth
    filled = {i: (b.answers, b.score, b.accuracy) for i, b in enumerate(of) if b.answers}
    assert filled == {1: (1, 0.1, 0.0), 12: (2, 0.8, 0.5), 14: (1, 1.0, 1.0)}
    # AND the error is (2 · 0.3 + 1 · 0 + 1 · 0.1) / 4
    assert calibration.expected_error(of) == pytest.approx(0.175)
    assert calibration.expected_error(calibration.bins(np.array([]), np.array([], bool))) == 0


@given(answered)
def test_calibration_counts_every_answer_and_its_error_is_a_share(rows: list[tuple[float, bool]]) -> None:
    of = calibration.bins(np.array([s for s, _ in rows]), np.array([r for _, r in rows]))
    assert sum(b.answers for b in of) == len(rows)
    assert 0 <= calibration.expected_error(of) <= 1
    for b in of:
        assert not b.answers or b.low - 1e-9 <= b.score <= b.high + 1e-9


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_scores_that_say_the_truth_have_no_error(right: list[bool]) -> None:
    share = float(np.mean(right))
    of = calibration.bins(np.full(len(right), share), np.array(right))
    assert calibration.expected_error(of) == pytest.approx(0, abs=1e-9)


# --- confusion


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_confusion_counts_every_clip_once(pairs: list[tuple[int, int]]) -> None:
    truth, answers = (np.array(column) for column in zip(*pairs, strict=True))
    matrix = metrics.confusion(truth, answers, 4)
    assert matrix.sum() == len(pairs)
    assert matrix.sum(axis=1).tolist() == np.bincount(truth, minlength=4).tolist()
    figures = metrics.summary(matrix, LABELS)
    assert metrics.accuracy(matrix) == np.mean(truth == answers)
    assert 0 <= figures["false_alarm_rate"] <= 1
    for kind in ("recall", "precision"):
        assert all(share is None or 0 <= share <= 1 for share in figures[kind].values())


# --- judgement


def judged() -> tuple[evaluation.Judged, np.ndarray, training_set.Split, dict[str, dataset.Clip]]:
    """Five test clips: right, wrong at 0.5, wrong at 0.75, a noise window that is wrong, generated noise likewise."""
    raw = np.array(
        [[127, -128, -128, -128], [0, -64, -64, -128], [-128, 64, -128, -128], [100, 0, 0, 0], [100, 0, 0, 0]], np.int8
    )
    truth = np.array([0, 1, 0, 3, 3])
    names = np.array(["a" * 64, "c" * 64, "b" * 64, "d" * 64, "generated-r000001-0009"])
    split = training_set.Split(np.zeros((5, 49, 40), np.int8), truth, names)
    clips = [
        clip("a.wav", "a" * 64),
        clip("b.wav", "b" * 64),
        clip("again.wav", "b" * 64),
        clip("c.wav", "c" * 64, "no"),
        clip("hum.wav", "d" * 64, "_background_noise_"),
    ]
    scores = (raw.astype(float) + 128) / 256
    return evaluation.Judged.of(LABELS, truth, scores), raw, split, evaluation.keys_of(clips)


def test_figures_of_a_judgement_counted_by_hand() -> None:
    int8, _, split, known = judged()
    worst = evaluation.mistakes(int8, split, known)
    figures = evaluation.test_figures(int8, int8, worst)
    assert figures["clips"] == 5
    assert figures["accuracy"] == {"float": 0.2, "int8": 0.2}
    assert figures["recall"] == {"yes": 0.5, "no": 0.0, "unknown": None, "silence": 0.0}
    assert figures["precision"] == {"yes": 0.25, "no": 0.0, "unknown": None, "silence": None}
    assert figures["false_alarm_rate"] == 1.0
    assert figures["float"]["confusion"] == figures["confusion"]
    # 255/256 right; 0.5, 0.75, 228/256 twice wrong: no two of them in one bin but the last.
    wrong = 0.5 + 0.75 + 2 * 228 / 256
    assert figures["calibration"]["int8"] == pytest.approx((1 - 255 / 256 + wrong) / 5)


def test_the_worst_clips_are_the_surest_wrong_answers_with_their_keys() -> None:
    int8, _, split, known = judged()
    found = evaluation.mistakes(int8, split, known)
    # THEN a recording that lies there twice has its first key, and generated noise, which has none, is left out
    assert [mistake.as_dict() for mistake in found] == [
        {"key": "clips/_background_noise_/hum.wav", "truth": "silence", "answer": "yes", "score": 228 / 256},
        {"key": "clips/yes/again.wav", "truth": "yes", "answer": "no", "score": 0.75},
        {"key": "clips/no/c.wav", "truth": "no", "answer": "yes", "score": 0.5},
    ]
    assert [mistake.row for mistake in found] == [3, 2, 1]


def test_at_most_twenty_of_the_worst_are_named() -> None:
    truth = np.zeros(30, np.int64)
    scores = np.tile([0.1, 0.9, 0.0, 0.0], (30, 1))
    names = np.array([f"{i:064x}" for i in range(30)])
    known = evaluation.keys_of([clip(f"{i}.wav", n) for i, n in enumerate(names.tolist())])
    split = training_set.Split(np.zeros((30, 1, 1), np.int8), truth, names)
    assert len(evaluation.mistakes(evaluation.Judged.of(LABELS, truth, scores), split, known)) == 20


def test_rarer_mistakes_are_named_however_sure_the_others_are() -> None:
    # GIVEN thirty sure mistakes of one kind, and eight less sure ones of another
    truth = np.array([0] * 30 + [2] * 8)
    scores = np.array([[0.1, 0.9, 0.0, 0.0]] * 30 + [[0.6, 0.0, 0.4, 0.0]] * 8)
    names = np.array([f"{i:064x}" for i in range(38)])
    known = evaluation.keys_of([clip(f"{i}.wav", n) for i, n in enumerate(names.tolist())])
    split = training_set.Split(np.zeros((38, 1, 1), np.int8), truth, names)
    # WHEN / THEN five of the other kind are named as well, so that a gate on them can say which
    found = evaluation.mistakes(evaluation.Judged.of(LABELS, truth, scores), split, known)
    assert [mistake.truth for mistake in found] == ["yes"] * 20 + ["unknown"] * 5


def test_answers_are_lines_of_recorded_clips_by_content() -> None:
    int8, raw, split, known = judged()
    lines = evaluation.as_lines(evaluation.answers(int8, raw, split, known)).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"sha256": "a" * 64, "key": "clips/yes/a.wav", "truth": "yes", "answer": "yes", "scores": raw[0].tolist()},
        {"sha256": "b" * 64, "key": "clips/yes/again.wav", "truth": "yes", "answer": "no", "scores": raw[2].tolist()},
        {"sha256": "c" * 64, "key": "clips/no/c.wav", "truth": "no", "answer": "yes", "scores": raw[1].tolist()},
    ]


def test_a_keyword_without_test_clips_has_no_curve() -> None:
    truth = np.array([0, 2, 3])
    full = evaluation.Judged.of(LABELS, truth, np.eye(4)[truth])
    curves = full.curves()
    assert set(curves["trade_off"]) == {"yes", "no"}
    assert curves["trade_off"]["no"] is None
    assert curves["trade_off"]["yes"]["miss_rate"][0] == 0
    assert len(curves["calibration"]) == calibration.BINS
