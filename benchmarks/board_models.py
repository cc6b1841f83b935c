"""The models whose cost on the board is counted: the registry's, and two that others published figures of.

Their weights are drawn, not trained: instructions hardly depend on them, and nothing needs to be trained first.
"""

import functools

import keras
import numpy as np
from kws import features, models, quantise, training

CLASSES = 4
SEED = 3

# Instructions an inference of TensorFlow Lite Micro with CMSIS-NN kernels: same emulator, gcc 12.2 -O2.
CMSIS_NN = {
    "tiny_conv": 2_398_253,
    "tiny_depthwise": 1_496_094,
    "ds_cnn_49x40": 30_812_021,
    "tc_resnet8": 2_001_045,
}


def tiny_depthwise(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """tiny_conv by DepthwiseConv2D, as TensorFlow's micro_speech example ships it."""
    clip = keras.Input(shape)
    x = keras.layers.DepthwiseConv2D((10, 8), 2, padding="same", depth_multiplier=8, activation="relu")(clip)
    return keras.Model(clip, keras.layers.Dense(classes)(keras.layers.Flatten()(x)))


def ds_cnn_49x40(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """DS-CNN with 64 channels on all frequencies: the first convolution keeps every second one."""
    clip = keras.Input(shape)
    x = _convolved(clip, 64, (10, 4), 2)
    for _ in range(4):
        x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = _convolved(_normalised(x), 64, 1, 1)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(tuple(x.shape[1:3]))(x))
    return keras.Model(clip, keras.layers.Dense(classes)(x))


def _normalised(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def _convolved(x: keras.KerasTensor, filters: int, kernel: object, stride: int) -> keras.KerasTensor:
    return _normalised(keras.layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x))


NAMES = (*models.ARCHITECTURES, "tiny_depthwise", "ds_cnn_49x40")


def make(name: str, front_end: str = features.MICRO.name) -> bytes:
    """An int8 .tflite by name, the same every time.

    Args:
        name: of NAMES.
        front_end: whose features it takes.
    """
    training.prepare(SEED)
    shape = features.front_end(front_end).shape
    own = {"tiny_depthwise": tiny_depthwise, "ds_cnn_49x40": ds_cnn_49x40}
    model = (own.get(name) or functools.partial(models.build, name))((*shape, 1), CLASSES)
    random = np.random.default_rng(SEED)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.3, 2.0, weight.shape))
        elif weight.name in ("beta", "moving_mean"):
            weight.assign(random.normal(0, 0.4, weight.shape))
    return quantise.to_int8(model, random.integers(-128, 128, (40, *shape)).astype(np.int8))
