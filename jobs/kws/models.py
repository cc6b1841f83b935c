"""The architectures that can be trained, each a short function with its paper.

A function takes the input shape (frames, channels, 1) and the number of classes, and gives a Keras model
from features scaled to 0 … 2 to logits. Only operators that the board has may be used.
"""

from collections.abc import Callable

import keras

Architecture = Callable[[tuple[int, int, int], int], keras.Model]


class UnknownArchitectureError(ValueError):
    """An architecture that is not in the registry."""


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


ARCHITECTURES: dict[str, Architecture] = {"tiny_conv": tiny_conv}


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


def macs(model: keras.Model) -> int:
    """Multiplications of one inference, in convolutions and dense layers."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            _, rows, columns, _ = layer.output.shape
            # A kernel is applied once a position, whatever its layout.
            total += rows * columns * int(layer.kernel.shape.num_elements())
        elif isinstance(layer, keras.layers.Dense):
            total += int(layer.kernel.shape.num_elements())
    return total
