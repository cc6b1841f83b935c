"""A model that is about to be judged, trained here or brought along: what both have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Candidate:
    """A model in all forms that a bundle needs.

    Attributes:
        int8: the .tflite for the board, without a card.
        full: the float .tflite, without a card.
        scores: probabilities by the float model, float32 (n, classes), of features int8 (n, frames, channels).
        save: writes the SavedModel for TensorFlow Serving into a folder.
        parameters: trainable and other weights.
        macs: multiplications of an inference.
        weights: of the Keras model, in its order, for a warm start; empty for a model brought along.
    """

    int8: bytes
    full: bytes
    scores: Callable[[npt.NDArray[np.int8]], npt.NDArray[np.float32]]
    save: Callable[[Path], None]
    parameters: int
    macs: int
    weights: Sequence[npt.NDArray[np.generic]]
