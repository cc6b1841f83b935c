"""Training: weighted draws, SpecAugment, AdamW with a cosine schedule, checkpoints that resume exactly.

An epoch is one call into TensorFlow: what to draw and what to mask is decided in numpy from the seed and
the epoch's number alone, so an interrupted training goes on as if nothing had happened.

SpecAugment after D. S. Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
Recognition", Interspeech 2019, here with features as the front end gives them.
"""

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kws.features import canonical_json
from kws.quantise import real_values
from kws.training_set import Split, TrainingSet

TIME_MASKS, TIME_MASK_FRAMES = 2, 3
CHANNEL_MASKS, CHANNEL_MASK_WIDTH = 1, 2
LABEL_SMOOTHING = 0.05
WEIGHT_DECAY = 1e-3
CLIP_NORM = 5.0
WARM_UP_SHARE = 0.05
_CHECKPOINT = "checkpoint.npz"
_EVALUATION_BATCH = 512


# Fewer rows than this an epoch leave too few steps to learn in.
_FEWEST_SAMPLES = 4096


def samples_of_epoch(rows: int, most: int) -> int:
    """Rows to draw in an epoch: as many as there are, so that a small dataset costs little; at most `most`."""
    return min(most, max(rows, _FEWEST_SAMPLES))


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train.

    Attributes:
        epochs: passes of `samples_per_epoch`.
        samples_per_epoch: rows drawn in an epoch.
        batch_size: rows of a step.
        learning_rate: the highest, after warm-up.
        seed: of everything random.
    """

    epochs: int
    samples_per_epoch: int
    batch_size: int
    learning_rate: float
    seed: int

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return max(1, self.samples_per_epoch // self.batch_size)


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to; `seconds` is the only value that differs from run to run."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float

    def line(self, epochs: int) -> str:
        """The log line that metric definitions read."""
        return (
            f"epoch {self.epoch}/{epochs} loss={self.loss:.4f} accuracy={self.accuracy:.4f} "
            f"val_loss={self.val_loss:.4f} val_accuracy={self.val_accuracy:.4f} seconds={self.seconds:.1f}"
        )


def prepare(seed: int) -> None:
    """Makes TensorFlow deterministic in this process; call it before a model is built.

    The names of layers, which end in the model file, are counted anew too.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed % 2**32)
    tf.config.experimental.enable_op_determinism()


def _masks(random: np.random.Generator, shape: tuple[int, int], count: int, most: int, size: int) -> npt.NDArray:
    """Starts and ends of masks, int32 (*shape, count, 2), each of 0 to `most` of `size` places."""
    widths = random.integers(0, most + 1, (*shape, count))
    starts = random.integers(0, size - widths + 1)
    return np.stack([starts, starts + widths], axis=-1).astype(np.int32)


class _Trainer:
    """A model with its optimiser and the compiled epoch."""

    def __init__(self, model: keras.Model, data: TrainingSet, recipe: Recipe) -> None:
        self.model, self._recipe = model, recipe
        self._classes = model.output_shape[-1]
        total = recipe.epochs * recipe.steps
        warm_up = max(1, round(WARM_UP_SHARE * total))
        self.optimizer = keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                0.0, max(1, total - warm_up), warmup_target=recipe.learning_rate, warmup_steps=warm_up
            ),
            weight_decay=WEIGHT_DECAY,
            global_clipnorm=CLIP_NORM,
        )
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self.optimizer.build(model.trainable_variables)
        self._features = tf.constant(data.train.features)
        self._truth = tf.constant(data.train.classes)
        self._chances = data.chances
        self._epoch = tf.function(self._run_epoch)
        self._scores = tf.function(lambda x: model(x, training=False))

    @property
    def variables(self) -> list[Any]:
        """All that training changes: weights, states of random layers, the optimiser's moments."""
        return [*self.model.variables, *self.optimizer.variables]

    def _loss(self, truth: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        wanted = tf.one_hot(truth, self._classes) * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / self._classes
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, logits))

    def _run_epoch(self, draws: tf.Tensor, times: tf.Tensor, channels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        frames, width = self._features.shape[1:]
        loss_sum, right = tf.constant(0.0), tf.constant(0, tf.int64)
        for step in tf.range(tf.shape(draws)[0]):
            truth = tf.gather(self._truth, draws[step])
            x = (tf.cast(tf.gather(self._features, draws[step]), tf.float32) + 128) / 128
            x *= _kept(times[step], frames)[:, :, None] * _kept(channels[step], width)[:, None, :]
            with tf.GradientTape() as tape:
                logits = self.model(x[..., None], training=True)
                loss = self._loss(truth, logits)
            gradients = tape.gradient(loss, self.model.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.model.trainable_variables, strict=True))
            loss_sum += loss
            right += tf.math.count_nonzero(tf.argmax(logits, axis=1) == truth)
        return loss_sum, right

    def epoch(self, number: int) -> tuple[float, float]:
        """Runs an epoch (from 1); gives mean loss and accuracy on what was drawn."""
        shape = (self._recipe.steps, self._recipe.batch_size)
        random = np.random.default_rng([self._recipe.seed, number])
        draws = random.choice(len(self._chances), shape, p=self._chances)
        frames, width = self._features.shape[1:]
        times = _masks(random, shape, TIME_MASKS, TIME_MASK_FRAMES, frames)
        channels = _masks(random, shape, CHANNEL_MASKS, CHANNEL_MASK_WIDTH, width)
        loss_sum, right = self._epoch(tf.constant(draws), tf.constant(times), tf.constant(channels))
        return float(loss_sum) / shape[0], int(right) / draws.size

    def evaluate(self, split: Split) -> tuple[float, float]:
        """Mean loss and accuracy on clips."""
        logits = np.concatenate(
            [
                self._scores(real_values(split.features[start : start + _EVALUATION_BATCH]))
                for start in range(0, len(split), _EVALUATION_BATCH)
            ]
        )
        return float(self._loss(tf.constant(split.classes), logits)), float(
            np.mean(logits.argmax(axis=1) == split.classes)
        )


def _kept(masks: tf.Tensor, size: int) -> tf.Tensor:
    """1.0 where no mask lies, float32 (batch, size), of starts and ends (batch, count, 2)."""
    place = tf.range(size)
    masked = (place >= masks[..., :1]) & (place < masks[..., 1:])
    return tf.cast(~tf.reduce_any(masked, axis=1), tf.float32)


def identity(recipe: Recipe, data: TrainingSet, architecture: str) -> str:
    """What a checkpoint must agree on to be gone on with."""
    digest = hashlib.sha256(canonical_json([asdict(recipe), architecture]).encode())
    for array in (data.train.features, data.train.classes, data.chances):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _save(path: Path, trainer: _Trainer, history: list[Epoch], identity_: str) -> None:
    content = io.BytesIO()
    about = json.dumps({"identity": identity_, "history": [asdict(epoch) for epoch in history]})
    values = {f"v{i}": np.asarray(variable.value) for i, variable in enumerate(trainer.variables)}
    np.savez(content, allow_pickle=False, about=np.array(about), **values)
    # A job may be killed at any moment: the old checkpoint stays until the new one is whole.
    part = path.with_suffix(".part")
    part.write_bytes(content.getvalue())
    part.replace(path)


def _resume(path: Path, trainer: _Trainer, identity_: str) -> list[Epoch]:
    """Takes up a checkpoint; an absent one, a damaged one or another training's starts from nothing."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            about = json.loads(str(saved["about"]))
            if about["identity"] != identity_:
                return []
            values = [saved[f"v{i}"] for i in range(len(trainer.variables))]
            history = [Epoch(**epoch) for epoch in about["history"]]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return []
    for variable, value in zip(trainer.variables, values, strict=True):
        variable.assign(value)
    return history


def fit(
    model: keras.Model,
    data: TrainingSet,
    recipe: Recipe,
    architecture: str,
    checkpoints: Path | None,
    log: Callable[[str], None],
) -> list[Epoch]:
    """Trains a model.

    Args:
        model: features to logits, freshly built after `prepare`; changed in place.
        data: what to train with.
        recipe: how.
        architecture: the model's name, for the checkpoint.
        checkpoints: folder to resume from and to save to after each epoch; None for none.
        log: gets a line an epoch.

    Returns:
        All epochs, those of the checkpoint included.
    """
    trainer = _Trainer(model, data, recipe)
    history: list[Epoch] = []
    path = checkpoints / _CHECKPOINT if checkpoints else None
    identity_ = identity(recipe, data, architecture)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        history = _resume(path, trainer, identity_)
        if history:
            log(f"resumed after epoch {len(history)}/{recipe.epochs}")
    for number in range(len(history) + 1, recipe.epochs + 1):
        started = time.monotonic()
        loss, accuracy = trainer.epoch(number)
        val_loss, val_accuracy = trainer.evaluate(data.validation)
        history.append(Epoch(number, loss, accuracy, val_loss, val_accuracy, round(time.monotonic() - started, 3)))
        log(history[-1].line(recipe.epochs))
        if path:
            _save(path, trainer, history, identity_)
    return history
