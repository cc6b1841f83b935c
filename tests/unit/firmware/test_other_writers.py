"""Models by other tools, and by the converter's other ways: the board answers as TensorFlow Lite Micro does."""

# mypy: disable-error-code="no-untyped-def, import-not-found"

from pathlib import Path

import numpy as np
import pytest
from kws import count, firmware, tflm

MODELS = sorted((Path(__file__).parent / "models").glob("*.tflite"))


def assert_same_answers(host_build, content: bytes) -> None:
    board, reference = firmware.Library(host_build / "libearshot.so").open(content, "m"), tflm.Model(content, "m")
    inputs = count.inputs(reference.input_size, 100)
    np.testing.assert_array_equal(board.answer(inputs), reference.answer(inputs))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_by_other_tools(path, host_build):
    assert_same_answers(host_build, path.read_bytes())


def network(keras):
    layers = keras.layers
    clip = keras.Input(batch_shape=(1, 11, 7, 2))
    x = layers.Conv2D(5, (4, 3), strides=(2, 1), padding="same", activation="relu6")(clip)
    y = layers.DepthwiseConv2D((3, 3), padding="same", activation="relu")(x)
    x = layers.Add()([x, layers.Conv2D(5, 1)(y)])
    x = layers.Conv2D(6, (2, 2), dilation_rate=2, padding="valid")(layers.ReLU()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(clip, layers.Softmax()(layers.Dense(3)(layers.Dense(8, activation="relu")(x))))


# The older quantiser refuses to quantise depthwise weights by tensor.
@pytest.mark.parametrize(("new_quantizer", "per_channel"), [(True, True), (True, False), (False, True)])
def test_every_way_of_the_converter(per_channel, new_quantizer, host_build):
    import keras
    import tensorflow as tf

    # GIVEN a network, quantised by the converter's newer or older quantiser, by channel or by tensor
    keras.utils.set_random_seed(5)
    model = network(keras)
    random = np.random.default_rng(6)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [random.normal(0, 1, (1, 11, 7, 2)).astype(np.float32)] for _ in range(20)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.experimental_new_quantizer = new_quantizer
    converter._experimental_disable_per_channel = not per_channel
    # THEN the board answers it as TFLM does
    assert_same_answers(host_build, converter.convert())
