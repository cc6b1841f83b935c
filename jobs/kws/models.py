"""The architectures that can be trained, each a short function with its paper.

A function takes the input shape (frames, channels, 1) and the number of classes, and gives a Keras model
from features scaled to 0 … 2 to logits. Only operators that the board has may be used. One more model is
one more function and its entry in `ARCHITECTURES`.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

Architecture = Callable[[tuple[int, int, int], int], keras.Model]

# Statistics of normalisation follow the last 30 steps or so: trainings here are short.
_MOMENTUM = 0.97


class UnknownArchitectureError(ValueError):
    """An architecture that is not in the registry."""


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer, trained by TensorFlow's fused kernel: the same formula, twice as fast on a CPU."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalises; `training` tells which statistics."""
        if not training:
            return super().call(inputs, training=False, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs


def _normalised(x: Any, relu: bool = True) -> Any:
    x = FusedBatchNormalization(momentum=_MOMENTUM)(x)
    return keras.layers.ReLU()(x) if relu else x


def _convolved(x: Any, filters: int, kernel: tuple[int, int], stride: Any = 1, relu: bool = True) -> Any:
    convolution = keras.layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)
    return _normalised(convolution(x), relu)


def _depthwise(x: Any, kernel: tuple[int, int], stride: int = 1) -> Any:
    return _normalised(keras.layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False)(x))


def _classified(features: Any, x: Any, classes: int, dropout: float) -> keras.Model:
    """Global average, dropout, one dense layer."""
    x = keras.layers.AveragePooling2D(tuple(x.shape[1:3]))(x)
    x = keras.layers.Dropout(dropout)(keras.layers.Flatten()(x))
    return keras.Model(features, keras.layers.Dense(classes)(x))


def _over_time(features: Any) -> Any:
    """Frequencies as channels, so that a convolution runs over time alone: (frames, 1, channels)."""
    frames, channels = features.shape[1:3]
    return keras.layers.Reshape((frames, 1, channels))(features)


def tiny_conv(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """One convolution and one dense layer, as TensorFlow's micro_speech example trains it.

    After T. N. Sainath and C. Parada, "Convolutional Neural Networks for Small-footprint Keyword
    Spotting", Interspeech 2015 (cnn-one-fstride4, with fewer and larger filters and no hidden layers).
    """
    features = keras.Input(input_shape)
    x = keras.layers.Conv2D(8, (10, 8), strides=2, padding="same", activation="relu")(features)
    x = keras.layers.Dropout(0.4)(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(features, keras.layers.Dense(classes)(x))


def ds_cnn(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Depthwise separable convolutions, 64 channels, as the MLPerf Tiny benchmark's reference model.

    Y. Zhang, N. Suda, L. Lai and V. Chandra, "Hello Edge: Keyword Spotting on Microcontrollers",
    arXiv:1711.07128, 2017 (DS-CNN-S). There features have 10 channels; of the many here the first
    convolution keeps every eighth place.
    """
    features = keras.Input(input_shape)
    x = _convolved(features, 64, (10, 10), (2, 8))
    for _ in range(4):
        x = _convolved(_depthwise(x, (3, 3)), 64, (1, 1))
    return _classified(features, x, classes, dropout=0.3)


def tc_resnet8(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Residual blocks of convolutions over time.

    S. Choi et al., "Temporal Convolution for Real-time Keyword Spotting on Mobile Devices",
    Interspeech 2019 (TC-ResNet8, width 1).
    """
    features = keras.Input(input_shape)
    x = _convolved(_over_time(features), 16, (3, 1))
    for filters in (24, 32, 48):
        main = _convolved(x, filters, (9, 1), 2)
        main = _convolved(main, filters, (9, 1), relu=False)
        short = _convolved(x, filters, (1, 1), 2)
        x = keras.layers.ReLU()(keras.layers.Add()([main, short]))
    return _classified(features, x, classes, dropout=0.3)


def tenet(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Inverted bottlenecks with depthwise convolutions over time, behind one convolution over time and frequency.

    X. Li, X. Wei and X. Qin, "Small-Footprint Keyword Spotting with Multi-Scale Temporal Convolution",
    Interspeech 2020 (TENet6 with 32 channels, without the branches of several kernel sizes). There every
    frequency is a channel from the start; a convolution that moves over frequencies, too, does better on
    strangers' voices, and halves the frames that all else works on.
    """
    channels, expansion = 32, 3
    features = keras.Input(input_shape)
    x = _convolved(features, 12, (5, 5), 2)
    frames, places, filters = x.shape[1:]
    x = _convolved(keras.layers.Reshape((frames, 1, places * filters))(x), channels, (1, 1))
    for stride in (1, 1, 2, 1, 2, 1):
        main = _convolved(x, channels * expansion, (1, 1))
        main = _depthwise(main, (9, 1), stride)
        main = _convolved(main, channels, (1, 1), relu=False)
        short = x if stride == 1 else _convolved(x, channels, (1, 1), stride)
        x = keras.layers.ReLU()(keras.layers.Add()([main, short]))
    return _classified(features, x, classes, dropout=0.2)


ARCHITECTURES: dict[str, Architecture] = {
    architecture.__name__: architecture for architecture in (tiny_conv, ds_cnn, tc_resnet8, tenet)
}


def build(name: str, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """An untrained model.

    Raises:
        UnknownArchitectureError: no such architecture.
    """
    try:
        architecture = ARCHITECTURES[name]
    except KeyError:
        raise UnknownArchitectureError(
            f"architecture {name!r} is unknown; known are {', '.join(ARCHITECTURES)}"
        ) from None
    return architecture(input_shape, classes)
