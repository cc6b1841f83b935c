"""The registry: each architecture trains, fits the board, and answers there as it answers here."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from kws import board, features, flatbuffer, models, quantise, tflm, training


@pytest.mark.parametrize("name", models.ARCHITECTURES)
@pytest.mark.parametrize(("front_end", "classes"), [("micro", 3), ("spectrogram43", 32)])
def test_an_architecture_takes_any_front_end_and_number_of_classes(name: str, front_end: str, classes: int) -> None:
    # GIVEN an architecture for a front end and so many classes
    shape = features.front_end(front_end).shape
    training.prepare(1)
    model = models.build(name, (*shape, 1), classes)
    examples = np.random.default_rng(0).integers(-128, 128, (8, *shape)).astype(np.int8)
    # WHEN it is made for the board
    content = quantise.to_int8(model, examples)
    # THEN it has operators of the board alone
    assert set(flatbuffer.operators(content)) <= set(board.OPERATORS)
    assert tflm.Model(content, name).output_shape == (1, classes)
    # AND it answers like the model in real numbers, up to quantisation
    real = np.asarray(tf.nn.softmax(model(quantise.real_values(examples), training=False)))
    whole = (tflm.Model(content, name).answer(examples).astype(int) + 128) / 256
    assert np.abs(real - whole).max() < 0.1


def test_fused_normalisation_is_keras_normalisation() -> None:
    # GIVEN both layers with the same weights
    values = np.random.default_rng(0).normal(2, 3, (16, 5, 1, 4)).astype(np.float32)
    fused, plain = models.FusedBatchNormalization(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)
    for layer in (fused, plain):
        layer.build(values.shape)
    # WHEN they train and then answer
    trained = [np.asarray(layer(values, training=True)) for layer in (fused, plain)]
    answered = [np.asarray(layer(values, training=False)) for layer in (fused, plain)]
    # THEN they are one, but for the variance's count of 80 against 79
    assert np.allclose(*trained, atol=1e-4)
    assert np.allclose(*answered, rtol=0.02, atol=1e-3)


def test_an_unknown_architecture_is_named_with_the_known_ones() -> None:
    with pytest.raises(models.UnknownArchitectureError, match="'resnet' is unknown; known are tiny_conv, ds_cnn"):
        models.build("resnet", (49, 40, 1), 4)
