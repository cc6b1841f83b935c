"""Memory that operators share, and inference hop by hop: the bytes of TFLM, and of whole windows."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes

import firmware_library
import numpy as np
import pytest
import random_graphs
import tflite_models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kws import features, models, quantise, training
from tflite_micro import runtime

ARENA = 2_000_000
SILENCE = -128
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=["host", "dsp"])
def library(request) -> firmware_library.Library:
    """With the portable kernels, and with those for DSP, which lay out memory in another way."""
    return firmware_library.Library(request.getfixturevalue(f"{request.param}_build") / "libearshot.so")


def _whole_windows(library, model: bytes, frames: np.ndarray, window: int, hop: int) -> np.ndarray:
    """The answers to all windows of a stream, each computed by itself."""
    size = library.info(model).output_size
    padded = np.concatenate([np.full((window, frames.shape[1]), SILENCE, np.int8), frames])
    ends = range(window + hop, len(padded) + 1, hop)
    return np.array([library.infer(model, padded[end - window : end], size) for end in ends]).reshape(-1, size)


@many
@given(graph=random_graphs.graphs)
def test_any_graph_answers_as_tflm(library, graph) -> None:
    # GIVEN a chain with branches, whose tensors the planner lays over each other
    model = random_graphs.build(graph)
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA)
    random = np.random.default_rng(graph["seed"])
    for _ in range(3):
        x = random.integers(-128, 128, interpreter.get_input_details(0)["shape"]).astype(np.int8)
        # WHEN both answer
        interpreter.set_input(x, 0)
        interpreter.invoke()
        expected = interpreter.get_output(0)
        # THEN no byte differs
        np.testing.assert_array_equal(library.infer(model, x, expected.size), expected.ravel())


@many
@given(graph=random_graphs.graphs, hop=st.integers(1, 6), data=st.data())
def test_a_hop_answers_as_the_whole_window(library, graph, hop: int, data) -> None:
    # GIVEN any graph, and a stream of frames longer than its window
    hop = min(hop, graph["frames"])
    model = random_graphs.build(graph)
    count = data.draw(st.integers(0, 2 * graph["frames"] + 3 * hop))
    channels = graph["places"] * graph["depth"]
    frames = np.random.default_rng(graph["seed"]).integers(-128, 128, (count, channels)).astype(np.int8)
    # WHEN it answers hop by hop / THEN it does as if each window were its first
    expected = _whole_windows(library, model, frames, graph["frames"], hop)
    np.testing.assert_array_equal(library.stream(model, frames, hop), expected)
    np.testing.assert_array_equal(library.stream(model, frames, hop, incremental=False), expected)


@pytest.mark.parametrize("kernel", range(1, 7))
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_hop_answers_as_the_whole_window_for_every_padding(library, kernel: int, stride: int) -> None:
    layer = {"kind": "conv", "channels": 2, "activation": 0, "kernel": (kernel, 1), "stride": (stride, 1)}
    for frames in (20, 21, 22, 23):
        for dilation, same in ((1, True), (2, True), (2, False)):
            # GIVEN a convolution, then one that reads its rows, and hops that both, or only the first, can follow
            layers = [layer | {"dilation": dilation, "same": same}, layer | {"dilation": 1, "same": True}]
            graph = {"frames": frames, "places": 1, "depth": 3, "flat_input": False, "end": "none", "seed": kernel}
            model = random_graphs.build(graph | {"layers": layers})
            values = np.random.default_rng(frames).integers(-128, 128, (50, 3)).astype(np.int8)
            for hop in (stride, stride * stride):
                # WHEN it answers hop by hop / THEN it does as on whole windows
                expected = _whole_windows(library, model, values, frames, hop)
                np.testing.assert_array_equal(library.stream(model, values, hop), expected)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=random_graphs.graphs, data=st.data())
def test_a_stream_may_begin_anew_and_clips_may_come_between(library, graph, data) -> None:
    # GIVEN a model opened for a stream
    model = random_graphs.build(graph)
    hop = data.draw(st.integers(1, min(4, graph["frames"])))
    channels = graph["places"] * graph["depth"]
    size = library.info(model).output_size
    random = np.random.default_rng(graph["seed"])
    arena_size = data.draw(st.integers(0, 2000))  # too little for all that is worth keeping
    with library.open_stream(model, graph["frames"], hop, arena_size) as stream:
        window = np.full((graph["frames"], channels), SILENCE, np.int8)
        for action in data.draw(st.lists(st.sampled_from(["push", "push", "push", "reset", "clip"]), max_size=20)):
            # WHEN frames, new beginnings and whole clips come in any order
            if action == "push":
                frames = random.integers(-128, 128, (hop, channels)).astype(np.int8)
                window = np.concatenate([window[hop:], frames])
                answer = stream.push(frames, size)
            elif action == "clip":
                window = random.integers(-128, 128, window.shape).astype(np.int8)
                answer = stream.run(window, size)
            else:
                window = np.full_like(window, SILENCE)
                stream.reset()
                continue
            # THEN every answer is that to the window as it is then
            np.testing.assert_array_equal(answer, library.infer(model, window, size))


@pytest.mark.parametrize("front_end", features.FRONT_ENDS)
@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_the_registry_streams(library, architecture: str, front_end: str) -> None:
    # GIVEN a model of the registry and four seconds of frames
    shape = features.front_end(front_end).shape
    training.prepare(5)
    random = np.random.default_rng(5)
    model = models.build(architecture, (*shape, 1), 4)
    content = quantise.to_int8(model, random.integers(-128, 128, (20, *shape)).astype(np.int8))
    frames = random.integers(-128, 128, (120, shape[1])).astype(np.int8)
    for hop in (1, 2, 3, 4):
        # WHEN it answers hop by hop / THEN it does as on whole windows
        expected = _whole_windows(library, content, frames, shape[0], hop)
        np.testing.assert_array_equal(library.stream(content, frames, hop), expected)


def test_a_hop_costs_less_than_a_window(library) -> None:
    # GIVEN a tiny_conv: 25 rows over time of 12,800 products each, then 16,000 as a whole
    model = tflite_models.keyword_model("micro-x")
    with library.open_stream(model, 49, 2) as stream:
        # WHEN the window moves on by two frames, one row is new and five see padding / THEN only these are computed
        assert stream.macs() == 6 * 12_800 + 16_000


def test_an_arena_is_used_as_far_as_it_goes(library) -> None:
    # GIVEN three convolutions over 40 frames of 8 values, each with 320 bytes of output
    graph = {"frames": 40, "places": 1, "depth": 8, "flat_input": False, "end": "dense", "seed": 1}
    layer = {"kind": "conv", "channels": 8, "dilation": 1, "activation": 0, "kernel": (3, 1), "stride": (1, 1)}
    model = random_graphs.build(graph | {"layers": [layer | {"same": True}] * 3})
    costs = []
    for arena_size in range(0, 3000, 20):
        with library.open_stream(model, 40, 1, arena_size) as stream:
            costs.append(stream.macs())
    # WHEN the arena grows / THEN a hop costs less, in steps: where two are kept, the third has a place of its own, too
    row, dense = 8 * 8 * 3, 320 * 4
    rows = [(cost - dense) / row for cost in costs]
    assert rows == sorted(rows, reverse=True)
    assert set(rows) == {40 + 40 + 40, 3 + 40 + 40, 3 + 5 + 7}


@pytest.mark.parametrize(("frames", "hop", "error"), [(0, 1, 1), (48, 1, 1), (49, 0, 2), (49, 50, 2)])
def test_a_window_that_is_none_is_refused(library, frames: int, hop: int, error: int) -> None:
    model = tflite_models.keyword_model("micro-x")
    names = {1: "ES_ERR_INPUT_SIZE", 2: "ES_ERR_ARGUMENT"}
    with pytest.raises(Exception, match=names[error]), library.open_stream(model, frames, hop):
        pass


def test_a_push_without_a_stream_is_refused(library) -> None:
    # GIVEN a model that was opened for clips
    model = tflite_models.keyword_model("micro-x")
    memory = ctypes.create_string_buffer(1 << 17)
    library.check(library.c.es_model_open(memory, model, ctypes.c_size_t(len(model))))
    # WHEN frames are pushed / THEN it says so
    answer, answered = ctypes.create_string_buffer(4), ctypes.c_bool()
    code = library.c.es_incremental_push(memory, b"\0" * 80, ctypes.byref(answered), answer, ctypes.c_size_t(4))
    assert library.c.es_error_name(code) == b"ES_ERR_ARGUMENT"
