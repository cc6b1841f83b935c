"""Inference in C against tflite-micro, bit for bit."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import firmware_library
import numpy as np
import pytest
import tflite_models as models
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tflite_micro import runtime

ARENA = 600_000


@pytest.fixture(scope="session", params=["host", "dsp"])
def library(request):
    """The portable kernels, and those for Arm's DSP extension with its instructions in C."""
    build = request.getfixturevalue(f"{request.param}_build")
    return firmware_library.Library(build / "libearshot.so")


many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _assert_identical(library, model: bytes, inputs: int = 6, seed: int = 0) -> None:
    """Random inputs, the lowest and the highest: the same outputs as tflite-micro."""
    rng = np.random.default_rng(seed)
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA)
    shape = interpreter.get_input_details(0)["shape"]
    for i in range(inputs):
        x = rng.integers(-128, 128, shape).astype(np.int8)
        if i < 2:
            x[...] = (-128, 127)[i]
        interpreter.set_input(x, 0)
        interpreter.invoke()
        expected = interpreter.get_output(0)
        np.testing.assert_array_equal(library.infer(model, x, expected.size).reshape(expected.shape), expected)


zero_points = st.tuples(st.integers(-128, 127), st.integers(-128, 127))
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
windows = st.fixed_dictionaries(
    {
        "height": st.integers(1, 12), "width": st.integers(1, 12), "kernel": pairs, "stride": pairs,
        "same": st.booleans(), "activation": st.integers(0, 3),
    }
)  # fmt: skip
convolutions = st.fixed_dictionaries(
    {"dilation": pairs, "per_channel": st.booleans(), "bias": st.booleans(), "zero_points": zero_points}
)


@many
@given(window=windows, convolution=convolutions, depth=st.integers(1, 5), channels=st.integers(1, 6),
       groups=st.sampled_from([1, 1, 2]), seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_conv_2d(library, window, convolution, depth, channels, groups, seed):
    model = models.conv_model(
        np.random.default_rng(seed), depth=depth * groups, channels=channels * groups, groups=groups,
        **window, **convolution,
    )  # fmt: skip
    if model is not None:
        _assert_identical(library, model, seed=seed)


@many
@given(window=windows, convolution=convolutions, depth=st.integers(1, 5), multiplier=st.integers(1, 3),
       seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_depthwise_conv_2d(library, window, convolution, depth, multiplier, seed):
    model = models.conv_model(
        np.random.default_rng(seed), depthwise=True, depth=depth, channels=depth * multiplier, **window, **convolution
    )
    if model is not None:
        _assert_identical(library, model, seed=seed)


few = settings(many, max_examples=25)


@few
@given(kernel=st.sampled_from([(1, 1), (9, 1), (3, 3), (1, 4), (5, 2)]), depth=st.sampled_from([1, 16, 37, 64, 150]),
       size=st.tuples(st.integers(5, 14), st.integers(1, 9)), stride=st.sampled_from([(1, 1), (2, 2), (2, 1)]),
       channels=st.integers(1, 7), same=st.booleans(), batch=st.integers(1, 2), points=zero_points,
       seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_filters_of_one_to_thousands_of_taps(library, kernel, depth, size, stride, channels, same, batch, points, seed):
    model = models.conv_model(
        np.random.default_rng(seed), height=size[0], width=size[1], depth=depth, channels=channels, kernel=kernel,
        stride=stride, same=same, batch=batch, zero_points=points,
    )  # fmt: skip
    if model is not None:
        _assert_identical(library, model, 3, seed)


@few
@given(kernel=st.sampled_from([(9, 1), (3, 3), (1, 9), (10, 1), (2, 5), (7, 7)]), depth=st.integers(1, 21),
       size=st.tuples(st.integers(1, 50), st.sampled_from([1, 1, 2, 7, 20, 45])),
       stride=st.sampled_from([(1, 1), (2, 2), (3, 1)]), dilation=st.sampled_from([(1, 1), (1, 1), (2, 1)]),
       same=st.booleans(), batch=st.integers(1, 2), points=zero_points, activation=st.integers(0, 3),
       seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_long_lines_of_depthwise_filters(
    library, kernel, depth, size, stride, dilation, same, batch, points, activation, seed
):
    model = models.conv_model(
        np.random.default_rng(seed), depthwise=True, height=size[0], width=size[1], depth=depth, channels=depth,
        kernel=kernel, stride=stride, dilation=dilation, same=same, batch=batch, zero_points=points,
        activation=activation,
    )  # fmt: skip
    if model is not None:
        _assert_identical(library, model, 3, seed)


# Scales of the output and sizes of the biases: shifts to the left, of 0, far to the right, with sums that a shift fits.
extremes = [(2.0**-12, 2**18), (2.0**-9, 2**12), (2.0**-3, 2**20), (1.0, 2**30), (16.0, 2**29), (16.0, 2**30),
            (64.0, 2**31 - 2**24), (2.0**14, 2**30)]  # fmt: skip


@many
@given(kernel=st.sampled_from([(3, 3), (9, 1), (2, 1)]), depth=st.integers(4, 6), depthwise=st.booleans(),
       extreme=st.sampled_from(extremes), point=st.sampled_from([-128, 3, 127]),
       seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_multipliers_and_biases_of_any_size(library, kernel, depth, depthwise, extreme, point, seed):
    """Shifts to the left and far to the right, sums up to the last bit."""
    model = models.conv_model(
        np.random.default_rng(seed), depthwise=depthwise, depth=depth, channels=depth, kernel=kernel,
        scale_out=extreme[0], most_bias=extreme[1], zero_points=(-5, point),
    )  # fmt: skip
    _assert_identical(library, model, 3, seed)


@many
@given(batch=st.integers(1, 3), depth=st.integers(1, 70), units=st.integers(1, 9), activation=st.integers(0, 3),
       points=zero_points, per_channel=st.booleans(), bias=st.booleans(), seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_fully_connected(library, batch, depth, units, activation, points, per_channel, bias, seed):
    model = models.dense_model(
        np.random.default_rng(seed), batch=batch, depth=depth, units=units, activation=activation,
        zero_points=points, per_channel=per_channel, bias=bias,
    )  # fmt: skip
    _assert_identical(library, model, seed=seed)


def test_fully_connected_multiplies_its_scales_in_double(library):
    """Biases at which a product of the scales in float would round to another output."""
    rng = np.random.default_rng(5)
    for _ in range(10):
        scale_in, scale_w = (np.float32(v) for v in rng.uniform(0.001, 0.01, 2))
        exact, single = float(scale_in) * float(scale_w), float(np.float32(scale_in * scale_w))
        scale_out = np.float32(exact * 2**24 * 0.75)
        edges = [(k + 0.5) * float(scale_out) * (1 / exact + 1 / single) / 2 for k in range(-100, 100, 7)]
        model = models.ModelBuilder()
        x = model.tensor((1, 1), scale_in)
        w = model.tensor((len(edges), 1), scale_w, 0, np.zeros((len(edges), 1)))
        b = model.tensor((len(edges),), exact, 0, np.round(edges), models.INT32)
        y = model.tensor((1, len(edges)), scale_out)
        table = models.schema.FullyConnectedOptionsT()
        model.operator(models.CODES.FULLY_CONNECTED, [x, w, b], [y], table, models.OPTIONS.FullyConnectedOptions, 4)
        _assert_identical(library, model.build([x], [y]), 1)


@many
@given(rows=st.integers(1, 3), depth=st.integers(1, 60), log_scale=st.floats(-4, 1),
       beta=st.sampled_from([0.5, 1.0, 2.0]), point=st.integers(-128, 127))  # fmt: skip
def test_softmax(library, rows, depth, log_scale, beta, point):
    model = models.softmax_model(rows=rows, depth=depth, scale=10**log_scale, beta=beta, zero_point=point)
    _assert_identical(library, model)


@many
@given(window=windows, depth=st.integers(1, 4), maximum=st.booleans(), point=st.integers(-128, 127),
       scale=st.floats(0.01, 0.5))  # fmt: skip
def test_pools(library, window, depth, maximum, point, scale):
    model = models.pool_model(maximum=maximum, depth=depth, zero_point=point, scale=scale, **window)
    if model is not None:
        _assert_identical(library, model)


scales3 = st.tuples(*[st.floats(0.01, 0.5)] * 3)
points3 = st.tuples(*[st.integers(-128, 127)] * 3)


@many
@given(other=st.sampled_from([None, (1, 1, 1, 2), (2,), (1, 3, 1, 1), (1, 3, 4, 2), (1,)]),
       activation=st.integers(0, 3), scales=scales3, points=points3, seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_add(library, other, activation, scales, points, seed):
    model = models.add_model(
        np.random.default_rng(seed), constant_shape=other, activation=activation, scales=scales, zero_points=points
    )
    _assert_identical(library, model, seed=seed)


@many
@given(six=st.booleans(), scales=scales3, points=zero_points)
@example(six=False, scales=(0.5, 0.4, 1.0), points=(0, 0))  # where the quotient differs in float and in double
def test_relu(library, six, scales, points):
    _assert_identical(library, models.relu_model(six=six, scales=scales[:2], zero_points=points))


@many
@given(shape=st.tuples(*[st.integers(1, 7)] * 4), axes=st.sets(st.integers(0, 3), min_size=1), keep=st.booleans(),
       scales=st.sampled_from([(0.1, 0.1), (0.1, 0.07), (0.03, 0.2), (0.5, 0.4)]), points=zero_points)  # fmt: skip
def test_mean(library, shape, axes, keep, scales, points):
    model = models.mean_model(shape=shape, axes=sorted(axes), keep=keep, scales=scales, zero_points=points)
    _assert_identical(library, model, 12)


@many
@given(amounts=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 4), point=st.integers(-128, 127))
def test_pad(library, amounts, point):
    _assert_identical(library, models.pad_model(amounts=amounts, zero_point=point), 3)


def test_reshape(library):
    _assert_identical(library, models.reshape_model())


@pytest.mark.parametrize("name", ["FULLY_CONNECTED", "ADD", "MEAN"])
def test_options_that_are_left_out_are_the_defaults(library, name):
    # GIVEN an operator without its table of options
    rng = np.random.default_rng(2)
    model = models.ModelBuilder()
    x = model.tensor((2, 6), 0.1, 3)
    other = {
        "FULLY_CONNECTED": lambda: model.tensor((6, 6), 0.02, 0, rng.integers(-127, 128, (6, 6))),
        "ADD": lambda: model.tensor((2, 6), 0.05, -7, rng.integers(-128, 128, (2, 6))),
        "MEAN": lambda: model.tensor((1,), None, 0, [1], models.INT32),
    }[name]()
    y = model.tensor((2,) if name == "MEAN" else (2, 6), 0.12, -4)
    inputs = [x, other, -1] if name == "FULLY_CONNECTED" else [x, other]
    model.operator(getattr(models.CODES, name), inputs, [y])
    # THEN it is what the reference makes of that
    _assert_identical(library, model.build([x], [y]))


def test_a_convolution_without_options_is_refused(library):
    rng = np.random.default_rng(2)
    model = models.ModelBuilder()
    x = model.tensor((1, 3, 3, 2), 0.1, 3)
    w = model.tensor((2, 1, 1, 2), 0.02, 0, rng.integers(-127, 128, (2, 1, 1, 2)))
    y = model.tensor((1, 3, 3, 2), 0.12, -4)
    model.operator(models.CODES.CONV_2D, [x, w, -1], [y])
    with pytest.raises(firmware_library.FirmwareError) as error:
        library.info(model.build([x], [y]))
    assert error.value.name.endswith("OPERATOR_OPTIONS")


def test_a_model_with_a_branch_keeps_its_tensors_apart(library):
    # GIVEN x -> conv -> y1 -> conv -> y2, and y1 + y2: y1 lives through the second convolution
    rng = np.random.default_rng(8)
    model = models.ModelBuilder()
    shape = (1, 5, 5, 4)
    tensors = [model.tensor(shape, 0.1, z) for z in (1, -4, 9, 3)]
    table = models.options(models.schema.Conv2DOptionsT, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
    for x, y in ((0, 1), (1, 2)):
        w = model.tensor((4, 3, 3, 4), rng.uniform(0.001, 0.01, 4), 0, rng.integers(-127, 128, (4, 3, 3, 4)))
        model.operator(models.CODES.CONV_2D, [tensors[x], w, -1], [tensors[y]], table, models.OPTIONS.Conv2DOptions, 3)
    model.operator(
        models.CODES.ADD, [tensors[1], tensors[2]], [tensors[3]], models.schema.AddOptionsT(),
        models.OPTIONS.AddOptions, 2,
    )  # fmt: skip
    data = model.build([tensors[0]], [tensors[3]])
    # THEN the outputs are the reference's, and three tensors are alive at the most
    _assert_identical(library, data)
    constants = 2 * (4 * 4 + 4)
    patches = 6 * 36 * 2 + 36  # of six places at a time, and the one that is put together
    assert library.info(data).arena_size <= 3 * 100 + constants + patches


@pytest.fixture(scope="session")
def converted_models() -> dict[str, bytes]:
    """Keras models of random weights, through TensorFlow's own converter."""
    import tempfile

    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(4)
    layers = keras.layers

    def tiny_conv(x):
        x = layers.Conv2D(8, (10, 8), 2, "same", activation="relu")(x)
        return layers.Dense(4, activation="softmax")(layers.Flatten()(x))

    def ds_cnn(x):
        x = layers.Conv2D(32, (10, 4), 2, "same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        for _ in range(2):
            x = layers.DepthwiseConv2D(3, padding="same")(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
            x = layers.Conv2D(32, 1, activation="relu")(x)
        x = layers.AveragePooling2D(x.shape[1:3])(x)
        return layers.Dense(4, activation="softmax")(layers.Flatten()(x))

    def residual(x):
        x = layers.Conv2D(16, 3, 2, "same", activation="relu6")(x)
        y = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
        x = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(x))
        return layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x))

    rng = np.random.default_rng(1)
    answer = {}
    for build in (tiny_conv, ds_cnn, residual):
        inputs = keras.Input((49, 40, 1))
        model = keras.Model(inputs, build(inputs))
        with tempfile.TemporaryDirectory() as folder:
            archive = keras.export.ExportArchive()
            archive.track(model)
            archive.add_endpoint("serve", model.call, [tf.TensorSpec((1, 49, 40, 1))])
            archive.write_out(folder, verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [rng.uniform(0, 1, (1, 49, 40, 1)).astype(np.float32)] for _ in range(8)
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
            answer[build.__name__] = converter.convert()
    return answer


@pytest.mark.parametrize("name", ["tiny_conv", "ds_cnn", "residual"])
def test_converted_models(library, converted_models, name):
    _assert_identical(library, converted_models[name], inputs=200)
