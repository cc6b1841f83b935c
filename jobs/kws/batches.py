"""What an epoch trains on: weighted draws of rows with SpecAugment, as a tf.data pipeline.

What to draw and what to mask is decided in numpy from the seed and the epoch's number alone, so an epoch
is the same whatever went before it and however many threads prepare it.

SpecAugment after D. S. Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
Recognition", Interspeech 2019, here with features as the front end gives them.
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kws.training_set import TrainingSet

TIME_MASKS, TIME_MASK_FRAMES = 2, 4
CHANNEL_MASKS, CHANNEL_MASK_WIDTH = 1, 3
_AHEAD = 4


class Batches:
    """The training split, ready to be drawn from.

    Args:
        data: rows with the chance of each.
        steps: batches of an epoch.
        batch_size: rows of a batch.
        seed: of all draws.
    """

    def __init__(self, data: TrainingSet, steps: int, batch_size: int, seed: int) -> None:
        self._features = tf.constant(data.train.features)
        self._classes = tf.constant(data.train.classes)
        self._chances = data.chances
        self._shape, self._seed = (steps, batch_size), seed

    def epoch(self, number: int) -> tf.data.Dataset:
        """Batches of an epoch (from 1): float32 (batch, frames, channels, 1) of 0 … 2, int64 (batch,)."""
        random = np.random.default_rng([self._seed, number])
        draws = random.choice(len(self._chances), self._shape, p=self._chances)
        frames, channels = self._features.shape[1:]
        plan = (
            draws,
            _masks(random, self._shape, TIME_MASKS, TIME_MASK_FRAMES, frames),
            _masks(random, self._shape, CHANNEL_MASKS, CHANNEL_MASK_WIDTH, channels),
        )
        planned = tf.data.Dataset.from_tensor_slices(plan)
        return planned.map(self._batch, num_parallel_calls=2, deterministic=True).prefetch(_AHEAD)

    def _batch(self, rows: tf.Tensor, times: tf.Tensor, channels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values = (tf.cast(tf.gather(self._features, rows), tf.float32) + 128) / 128
        frames, width = values.shape[1:]
        values *= _kept(times, frames)[:, :, None] * _kept(channels, width)[:, None, :]
        return values[..., None], tf.gather(self._classes, rows)


def _masks(
    random: np.random.Generator, shape: tuple[int, int], count: int, most: int, size: int
) -> npt.NDArray[np.int32]:
    """Starts and ends of masks, int32 (*shape, count, 2), each of 0 to `most` of `size` places."""
    widths = random.integers(0, most + 1, (*shape, count))
    starts = random.integers(0, size - widths + 1)
    return np.stack([starts, starts + widths], axis=-1).astype(np.int32)


def _kept(masks: tf.Tensor, size: int) -> tf.Tensor:
    """1.0 where no mask lies, float32 (batch, size), of starts and ends (batch, count, 2)."""
    place = tf.range(size)
    masked = (place >= masks[..., :1]) & (place < masks[..., 1:])
    return tf.cast(~tf.reduce_any(masked, axis=1), tf.float32)
