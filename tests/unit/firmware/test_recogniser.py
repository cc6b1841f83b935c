"""The board's recogniser and `kws.recognise`: one rule, held against each other on any scores."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import recognise, thresholds

LABELS = ["yes", "no", "unknown", "silence"]


class _Word(ctypes.Structure):
    _fields_ = [("label", ctypes.c_uint8), ("score", ctypes.c_uint8), ("at_ms", ctypes.c_uint32)]


def _card(of: recognise.Settings) -> bytes:
    fields = {"frontend": "micro-x", "labels": LABELS, "recogniser": of.as_dict(), "schema": "earshot.model/1"}
    return json.dumps(fields).encode()


def _parse(library, text: bytes) -> tuple[int, ctypes.Array]:
    card = ctypes.create_string_buffer(8192)
    return library.c.es_card_parse(card, text, ctypes.c_size_t(len(text))), card


# The board's milliseconds, and where they begin anew: after 49.7 days.
WRAP = 2**32


def heard_by_board(library, of: recognise.Settings, results) -> list[recognise.Word]:
    """Words by the C recogniser; results are (scores, milliseconds), of which it is told 32 bits."""
    status, card = _parse(library, _card(of))
    assert status == 0
    state, word, words = ctypes.create_string_buffer(8192), _Word(), []
    library.c.es_recogniser_reset(state, card)
    library.c.es_recogniser_push.restype = ctypes.c_bool
    for scores, at_ms in results:
        given_scores = (ctypes.c_int8 * len(LABELS))(*scores)
        if library.c.es_recogniser_push(state, given_scores, ctypes.c_uint32(at_ms), ctypes.byref(word)):
            assert word.at_ms == at_ms % WRAP
            words.append(recognise.Word(LABELS[word.label], word.score, at_ms))
    return words


def heard_by_jobs(of: recognise.Settings, results) -> list[recognise.Word]:
    recogniser = recognise.Recogniser(LABELS, of)
    words = [recogniser.push(np.array(scores, np.int8), at_ms) for scores, at_ms in results]
    return [word for word in words if word]


chosen_settings = st.builds(
    recognise.Settings,
    average_ms=st.one_of(st.sampled_from([1, 40, 80, 500, 10_000]), st.integers(1, 10_000)),
    threshold=st.one_of(st.integers(0, 255), st.sampled_from([0, 127, 254, 255])),
    suppression_ms=st.one_of(st.sampled_from([0, 40, 1500, 60_000]), st.integers(0, 60_000)),
    minimum_count=st.one_of(st.integers(1, 6), st.sampled_from([63, 64, 65, 1000])),
)
a_score = st.one_of(st.integers(-128, 127), st.sampled_from([-128, 127, 127]))


@settings(max_examples=300, deadline=None)
@given(of=chosen_settings, start=st.one_of(st.just(0), st.integers(WRAP - 100_000, WRAP)), data=st.data())
def test_the_board_hears_what_the_jobs_hear(library, of: recognise.Settings, start: int, data: st.DataObject) -> None:
    # GIVEN results that each last for a while, at uneven times, more than the board keeps; maybe across the wrap
    now, results = start, []
    for _ in range(data.draw(st.integers(0, 8))):
        scores = data.draw(st.lists(a_score, min_size=4, max_size=4))
        step = data.draw(st.sampled_from([0, 20, 40, 300, 70_000]))
        for _ in range(data.draw(st.integers(1, 40))):
            now += step
            results.append((scores, now))
    # WHEN both hear them / THEN the words are the same, their scores and times, too
    assert heard_by_board(library, of, results) == heard_by_jobs(of, results)


@pytest.mark.parametrize("seed", range(6))
def test_they_agree_on_streams_full_of_words(library, seed: int) -> None:
    # GIVEN a stream in which a label is loud for some time, then another
    random = np.random.default_rng(seed)
    of = recognise.Settings(
        int(random.choice([100, 500, 1000, 5000])),
        int(random.integers(100, 220)),
        int(random.choice([0, 200, 1500])),
        int(random.integers(1, 6)),
    )
    scores = random.integers(-128, 0, (600, 4))
    scores[np.arange(600), np.repeat(random.integers(0, 4, 30), 20)] = random.integers(60, 128, 600)
    results = list(zip(scores.tolist(), np.cumsum(random.choice([20, 40, 40, 300], 600)).tolist(), strict=True))
    # WHEN / THEN
    words = heard_by_board(library, of, results)
    assert words == heard_by_jobs(of, results)
    assert words


@pytest.mark.parametrize("before_ms", [0, 40, 500, 2000])
def test_a_word_is_heard_across_the_wrap_as_at_any_time(library, before_ms: int) -> None:
    # GIVEN quiet, then a word, then quiet; the time begins anew before it, in it, or after it
    of = recognise.Settings(average_ms=500, threshold=150, suppression_ms=300, minimum_count=3)
    quiet, loud = (-128, -128, -128, 127), (127, -128, -128, -128)
    scores = [quiet] * 10 + [loud] * 30 + [quiet] * 10
    # WHEN
    words = heard_by_board(library, of, [(one, WRAP - before_ms + 40 * n) for n, one in enumerate(scores)])
    # THEN the same is heard as at the beginning
    usual = heard_by_board(library, of, [(one, 40 * n) for n, one in enumerate(scores)])
    assert [(w.label, w.score, w.at_ms - WRAP + before_ms) for w in words] == [
        (w.label, w.score, w.at_ms) for w in usual
    ]
    assert len(usual) > 2


@pytest.mark.parametrize(
    ("of", "heard"),
    [
        (recognise.Settings(average_ms=1, threshold=254, suppression_ms=0, minimum_count=1), 100),
        (recognise.Settings(average_ms=1, threshold=255, suppression_ms=0, minimum_count=1), 0),
        (recognise.Settings(average_ms=1, threshold=0, suppression_ms=0, minimum_count=2), 0),
        (recognise.Settings(average_ms=10_000, threshold=254, suppression_ms=0, minimum_count=64), 37),
        (recognise.Settings(average_ms=10_000, threshold=0, suppression_ms=0, minimum_count=65), 0),
        (recognise.Settings(average_ms=10_000, threshold=254, suppression_ms=60_000, minimum_count=1), 1),
        (recognise.Settings(average_ms=40, threshold=254, suppression_ms=39, minimum_count=2), 99),
        (recognise.Settings(average_ms=40, threshold=254, suppression_ms=40, minimum_count=2), 50),
        (recognise.Settings(average_ms=39, threshold=0, suppression_ms=0, minimum_count=2), 0),
    ],
    ids=lambda value: "" if isinstance(value, int) else "-".join(map(str, value.as_dict().values())),
)
def test_settings_at_their_limits(library, of: recognise.Settings, heard: int) -> None:
    # GIVEN a hundred results, 40 ms apart, as sure as can be
    results = [((127, -128, -128, -128), 30 + 40 * number) for number in range(100)]
    # WHEN / THEN so many of them are words, for both
    assert len(heard_by_board(library, of, results)) == heard
    assert heard_by_board(library, of, results) == heard_by_jobs(of, results)


def test_a_card_takes_every_setting_that_the_jobs_choose_from(library) -> None:
    for average_ms in thresholds.AVERAGES_MS:
        for threshold in thresholds.THRESHOLDS:
            for suppression_ms in thresholds.SUPPRESSIONS_MS:
                of = recognise.Settings(average_ms, threshold, suppression_ms, thresholds.minimum_count(average_ms))
                assert _parse(library, _card(of))[0] == 0


@pytest.mark.parametrize(("hop_frames", "taken"), [(None, True), (1, True), (49, True), (0, False), (50, False)])
def test_a_card_may_say_how_often_the_model_runs(library, hop_frames, taken) -> None:
    # GIVEN a card that names a hop, or none as older ones
    fields = json.loads(_card(recognise.Settings()))
    del fields["recogniser"]["hop_frames"]
    older, card = _parse(library, json.dumps(fields).encode())
    if hop_frames is not None:
        fields["recogniser"]["hop_frames"] = hop_frames
    # WHEN it is read
    status, named = _parse(library, json.dumps(fields).encode())
    # THEN it is taken within its limits
    assert older == 0
    assert (status == 0) is taken
    # AND an older one means 2 frames, as in the jobs
    assert recognise.Settings.of({}).hop_frames == 2
    fields["recogniser"]["hop_frames"] = 2
    assert _parse(library, json.dumps(fields).encode())[1].raw == card.raw
    assert hop_frames is None or not taken or hop_frames == 2 or named.raw != card.raw
