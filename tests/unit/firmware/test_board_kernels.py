"""The kernels that are written for the Cortex-M4 by hand answer as the portable ones do, which are held to TFLM's."""

# mypy: disable-error-code="no-untyped-def, import-not-found"

from pathlib import Path

import firmware_library
import numpy as np
import pytest
import tflite_models
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kws import qemu


@pytest.fixture(scope="module")
def portable(host_build: Path):
    return firmware_library.Library(host_build / "libearshot.so")


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    depthwise=st.booleans(),
    depth=st.sampled_from([1, 2, 3, 4, 5, 8, 12, 30, 32]),
    filters=st.integers(1, 13),
    size=st.tuples(st.integers(1, 30), st.sampled_from([1, 5, 24])),
    kernel=st.sampled_from([(1, 1), (2, 3), (3, 3), (5, 5), (4, 1), (9, 1)]),
    stride=st.integers(1, 2),
    dilation=st.sampled_from([1, 1, 2]),
    same=st.booleans(),
    points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
    most_bias=st.sampled_from([3000, 1 << 29, 1 << 31]),
    scale_out=st.sampled_from([None, None, 1e-6, 1e5]),
    batch=st.sampled_from([1, 1, 2]),
    seed=st.integers(0, 2**32 - 1),
)
def test_convolutions(
    portable, mps2_build, depthwise, depth, filters, size, kernel, stride, dilation, same, points, most_bias, scale_out,
    batch, seed,
):  # fmt: skip
    # GIVEN a convolution, some with numbers that the quick way does not take
    random = np.random.default_rng(seed)
    channels = depth * min(filters, 3) if depthwise else filters
    model = tflite_models.conv_model(
        random, depthwise=depthwise, depth=depth, channels=channels, height=size[0], width=size[1], kernel=kernel,
        stride=(stride, stride), dilation=(dilation, dilation), same=same, zero_points=points, most_bias=most_bias,
        scale_out=scale_out, batch=batch,
    )  # fmt: skip
    assume(model is not None)
    info = portable.info(model)
    inputs = random.integers(-128, 128, (2, info.input_size)).astype(np.int8)
    # WHEN a Cortex-M4 computes it / THEN no byte differs
    answers, _ = qemu.infer(model, inputs)
    for given_, answer in zip(inputs, answers, strict=True):
        np.testing.assert_array_equal(answer, portable.infer(model, given_, info.output_size))
