"""Training: AdamW with a cosine schedule, label smoothing, early stopping, checkpoints that resume exactly.

An epoch is one call into TensorFlow; what it draws depends on the seed and its number alone, so an
interrupted training goes on as if nothing had happened.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kws import checkpoint
from kws.batches import Batches
from kws.features import canonical_json
from kws.quantise import real_values
from kws.training_set import Split, TrainingSet

LABEL_SMOOTHING = 0.05
# A keyword must be so many times as likely as `unknown` (e to this power) before it is answered. In clips for
# training keywords are frequent, before a board they are rare. After A. K. Menon et al., "Long-Tail Learning via
# Logit Adjustment", ICLR 2021: the loss sees logits without it, so the model learns to give them with it.
CAUTION = 1.0
WEIGHT_DECAY = 0.05
CLIP_NORM = 5.0
WARM_UP_SHARE = 0.05
_EVALUATION_BATCH = 512

# A clip is drawn so often an epoch, itself or one of its copies.
_DRAWS_A_CLIP = 4
# Fewer rows than this an epoch leave too few steps to learn in.
_FEWEST_SAMPLES = 4096

Weights = Sequence[npt.NDArray[Any]]


def samples_of_epoch(clips: int, most: int) -> int:
    """Rows to draw in an epoch: in proportion to the clips, so that a small dataset costs little; at most `most`."""
    return min(most, max(_DRAWS_A_CLIP * clips, _FEWEST_SAMPLES))


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train.

    Attributes:
        epochs: passes of `samples_per_epoch`.
        samples_per_epoch: rows drawn in an epoch.
        batch_size: rows of a step.
        learning_rate: the highest, after warm-up.
        seed: of everything random.
        patience: epochs without a lower validation loss after which training ends and goes back to the
            weights of the lowest; 0 trains to the end and keeps the last.
    """

    epochs: int
    samples_per_epoch: int
    batch_size: int
    learning_rate: float
    seed: int
    patience: int = 0

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


class _Trainer:
    """A model with its optimiser and the compiled epoch."""

    def __init__(self, model: keras.Model, data: TrainingSet, recipe: Recipe) -> None:
        self.model = model
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
        self._batches = Batches(data, recipe.steps, recipe.batch_size, recipe.seed)
        self._drawn = recipe.steps * recipe.batch_size
        # A model's labels end in `unknown`, `silence` (kws.labels.model_labels).
        self._caution = CAUTION * tf.one_hot(self._classes - 2, self._classes)
        self._epoch = tf.function(self._run_epoch)
        self._scores = tf.function(lambda x: model(x, training=False))

    @property
    def variables(self) -> list[Any]:
        """All that training changes: weights, states of random layers, the optimiser's moments."""
        return [*self.model.variables, *self.optimizer.variables]

    def _loss(self, truth: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        wanted = tf.one_hot(truth, self._classes) * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / self._classes
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, logits - self._caution))

    def _run_epoch(self, batches: tf.data.Dataset) -> tuple[tf.Tensor, tf.Tensor]:
        loss_sum, right = tf.constant(0.0), tf.constant(0, tf.int64)
        for x, truth in batches:
            with tf.GradientTape() as tape:
                logits = self.model(x, training=True)
                loss = self._loss(truth, logits)
            gradients = tape.gradient(loss, self.model.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.model.trainable_variables, strict=True))
            loss_sum += loss
            right += tf.math.count_nonzero(tf.argmax(logits, axis=1) == truth)
        return loss_sum, right

    def epoch(self, number: int) -> tuple[float, float]:
        """Runs an epoch (from 1); gives mean loss and accuracy on what was drawn."""
        batches = self._batches.epoch(number)
        loss_sum, right = self._epoch(batches)
        return float(loss_sum) / len(batches), int(right) / self._drawn

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


def identity(recipe: Recipe, data: TrainingSet, architecture: str, initial: Weights) -> str:
    """What a checkpoint must agree on to be gone on with."""
    digest = hashlib.sha256(canonical_json([asdict(recipe), architecture]).encode())
    for array in (data.train.features, data.train.classes, data.chances, *initial):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _values(variables: Sequence[Any]) -> list[npt.NDArray[Any]]:
    return [np.asarray(variable.value) for variable in variables]


def _assign(variables: Sequence[Any], values: Weights) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class _EarlyStop:
    """Remembers the weights of the lowest validation loss, and says when to stop."""

    def __init__(self, patience: int, history: Sequence[Epoch], best: Weights) -> None:
        self._patience = patience
        self.best = list(best)
        self._lowest = min(history, key=lambda epoch: epoch.val_loss) if history else None

    def see(self, epoch: Epoch, model: keras.Model) -> None:
        """Takes an epoch in."""
        if self._patience and (self._lowest is None or epoch.val_loss < self._lowest.val_loss):
            self._lowest, self.best = epoch, _values(model.variables)

    def is_over(self, number: int) -> bool:
        """Whether nothing became better for too long, after epoch `number`."""
        return bool(self._patience and self._lowest and number - self._lowest.epoch >= self._patience)


# How TensorBoard knows a tensor for a point of a curve. Its own writer would be one more package for this line.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class="DATA_CLASS_SCALAR"
)


class _Curves:
    """Loss and accuracy for TensorBoard."""

    def __init__(self, folder: Path | None) -> None:
        self._writer = tf.summary.create_file_writer(str(folder)) if folder else None

    def write(self, epoch: Epoch) -> None:
        if not self._writer:
            return
        with self._writer.as_default():
            for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
                tf.summary.write(name, tf.constant(getattr(epoch, name)), epoch.epoch, _SCALAR)
        self._writer.flush()


@dataclass(frozen=True)
class Outputs:
    """Where a training writes.

    Attributes:
        log: gets a line an epoch.
        checkpoints: folder to resume from and to save to after each epoch; None for none.
        tensorboard: folder for curves; None for none.
    """

    log: Callable[[str], None]
    checkpoints: Path | None = None
    tensorboard: Path | None = None


def fit(
    model: keras.Model, data: TrainingSet, recipe: Recipe, architecture: str, outputs: Outputs, initial: Weights = ()
) -> list[Epoch]:
    """Trains a model.

    Args:
        model: features to logits, freshly built after `prepare`; changed in place.
        data: what to train with.
        recipe: how.
        architecture: the model's name, for the checkpoint.
        outputs: log, checkpoints, curves.
        initial: weights to begin with (a warm start); none for the model's own.

    Returns:
        All epochs, those of the checkpoint included.
    """
    if initial:
        _assign(model.weights, initial)
    trainer, curves = _Trainer(model, data, recipe), _Curves(outputs.tensorboard)
    identity_ = identity(recipe, data, architecture, initial)
    history: list[Epoch] = []
    best: Weights = ()
    resumed = checkpoint.load(outputs.checkpoints, identity_) if outputs.checkpoints else None
    if resumed:
        epochs, (values, best) = resumed
        history = [Epoch(**epoch) for epoch in epochs]
        _assign(trainer.variables, values)
        outputs.log(f"resumed after epoch {len(history)}/{recipe.epochs}")
        for epoch in history:
            curves.write(epoch)
    stop = _EarlyStop(recipe.patience, history, best)
    for number in range(len(history) + 1, recipe.epochs + 1):
        if stop.is_over(number - 1):
            break
        started = time.monotonic()
        loss, accuracy = trainer.epoch(number)
        val_loss, val_accuracy = trainer.evaluate(data.validation)
        history.append(Epoch(number, loss, accuracy, val_loss, val_accuracy, round(time.monotonic() - started, 3)))
        outputs.log(history[-1].line(recipe.epochs))
        curves.write(history[-1])
        stop.see(history[-1], model)
        if outputs.checkpoints:
            groups = [_values(trainer.variables), stop.best]
            checkpoint.save(outputs.checkpoints, identity_, [asdict(epoch) for epoch in history], groups)
    if stop.best:
        _assign(model.variables, stop.best)
        lowest = min(history, key=lambda epoch: epoch.val_loss).epoch
        if lowest < len(history):
            outputs.log(f"went back to epoch {lowest}, the lowest validation loss")
    return history
