"""Many inferences by all cores: the same answers as by one, and a process that dies does not hang the job."""

import os
import signal

import numpy as np
import pytest
from kws import flatbuffer, models, parallel, quantise, tflm, training


@pytest.fixture(scope="module")
def model() -> bytes:
    training.prepare(3)
    examples = np.random.default_rng(0).integers(-128, 128, (20, 49, 40)).astype(np.int8)
    return quantise.to_int8(models.build("tiny_conv", (49, 40, 1), 4), examples)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_answers_do_not_depend_on_the_number_of_processes(model: bytes, processes: int) -> None:
    # GIVEN parts of any length, one empty, one a view of overlapping windows
    random = np.random.default_rng(1)
    frames = random.integers(-128, 128, (400, 40)).astype(np.int8)
    view = np.lib.stride_tricks.sliding_window_view(frames, 49, axis=0).transpose(0, 2, 1)[1::2]
    parts = [random.integers(-128, 128, (n, 49, 40)).astype(np.int8) for n in (1, 0, 128, 129)] + [view]
    # WHEN / THEN each row has the answer that one interpreter gives
    for part, scores in zip(parts, parallel.answers(model, parts, processes), strict=True):
        assert scores.shape == (len(part), 4)
        np.testing.assert_array_equal(scores, tflm.Model(model, "m").answer(part))


def test_no_parts_have_no_answers(model: bytes) -> None:
    assert parallel.answers(model, []) == []


def test_a_process_that_dies_is_told(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN kernels that crash
    monkeypatch.setattr(tflm.Model, "answer", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    # WHEN / THEN the job gets an error instead of waiting for ever
    with pytest.raises(flatbuffer.ModelFileError, match="TFLM's process ends on it"):
        parallel.answers(model, [np.zeros((300, 49, 40), np.int8)], 2)


def test_what_is_no_model_is_refused_before_any_process_starts() -> None:
    with pytest.raises(flatbuffer.ModelFileError, match=r"not a \.tflite file"):
        parallel.answers(b"nothing", [np.zeros((300, 49, 40), np.int8)], 2)
