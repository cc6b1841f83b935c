"""Every architecture that can be trained answers on the board as TensorFlow Lite Micro does, to the bit."""

from pathlib import Path

import numpy as np
import pytest
from kws import features, firmware, models, quantise, tflm, training


@pytest.mark.parametrize("front_end", features.FRONT_ENDS)
@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_the_board_answers_as_tflm(architecture: str, front_end: str, host_build: Path) -> None:
    # GIVEN a model of the registry, its normalisations as different as training makes them
    shape = features.front_end(front_end).shape
    training.prepare(3)
    random = np.random.default_rng(3)
    model = models.build(architecture, (*shape, 1), 4)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.3, 2.0, weight.shape))
        elif weight.name in ("beta", "moving_mean"):
            weight.assign(random.normal(0, 0.4, weight.shape))
    # WHEN both answer clips of noise and of extremes
    clips = random.integers(-128, 128, (40, *shape)).astype(np.int8)
    clips[0], clips[1] = -128, 127
    content = quantise.to_int8(model, clips)
    # THEN no byte differs
    library = firmware.Library(host_build / "libearshot.so")
    board, reference = library.open(content, architecture), tflm.Model(content, architecture)
    np.testing.assert_array_equal(board.answer(clips), reference.answer(clips))
    # AND the board needs less memory
    assert library.check(content, architecture).arena_size < reference.arena_bytes()
