"""Keras models to files: SavedModel, float .tflite, int8 .tflite.

The int8 model takes features as they are (scale 1/128, zero point -128: the real value of a feature q is
(q + 128)/128) and gives int8 probabilities. Quantisation is post-training, with real features.
"""

import tempfile
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kws import cost
from kws.candidate import Candidate
from kws.training_set import TrainingSet, spread

INPUT_SCALE = 1 / 128
INPUT_ZERO_POINT = -128

_EXAMPLES = 500
_SCORING_BATCH = 512


def real_values(features: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
    """Features as the model's real input: float32 (n, frames, channels, 1) from int8 (n, frames, channels)."""
    scaled = (features.astype(np.float32) + np.float32(128)) / np.float32(128)
    return scaled[..., None]


def save(model: keras.Model, folder: Path, batch: int | None = None) -> None:
    """Writes a SavedModel from `features` (batch, frames, channels, 1) to `scores` (batch, classes).

    Args:
        model: features to logits.
        folder: to write to.
        batch: its size; None for any.
    """

    def serve(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": tf.nn.softmax(model(features, training=False))}

    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32, name="features")]
    archive.add_endpoint("serve", serve, signature)
    archive.write_out(str(folder), verbose=False)


def to_float(model: keras.Model) -> bytes:
    """A float .tflite for one clip at a time."""
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder), batch=1)
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def to_int8(model: keras.Model, examples: npt.NDArray[np.int8]) -> bytes:
    """An int8 .tflite for one clip at a time.

    Args:
        model: features to logits.
        examples: features of training clips, int8 (n, frames, channels), by which ranges are chosen.

    Raises:
        ValueError: the converter chose another quantisation of the input.
    """
    # A row over the whole range makes the input's quantisation that of the features themselves.
    ruler = np.resize(np.arange(-128, 128).astype(np.int8), examples.shape[1:])
    rows = real_values(np.concatenate([ruler[None], examples]))
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder), batch=1)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[None]] for row in rows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        content = bytes(converter.convert())
    scale, zero_point = _input_quantisation(content)
    if (scale, zero_point) != (INPUT_SCALE, INPUT_ZERO_POINT):
        raise ValueError(
            f"the converter quantised the input by {scale}, {zero_point} instead of 1/128, -128; "
            "pin the TensorFlow version that the tests pass with"
        )
    return content


def _input_quantisation(model: bytes) -> tuple[float, int]:
    from kws import tflm

    return tflm.Model(model, "model").input_quantisation


def candidate(model: keras.Model, data: TrainingSet) -> Candidate:
    """A trained Keras model in all forms; its int8 ranges are chosen by training rows of every class."""

    def scores(features: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
        logits = model.predict(real_values(features), batch_size=_SCORING_BATCH, verbose=0)
        return np.asarray(tf.nn.softmax(logits))

    int8 = to_int8(model, data.train.features[spread(data.train.classes, _EXAMPLES)])
    return Candidate(
        int8=int8,
        full=to_float(model),
        scores=scores,
        save=lambda folder: save(model, folder),
        parameters=int(model.count_params()),
        macs=cost.macs(int8),
        weights=[np.asarray(weight.value) for weight in model.weights],
    )
