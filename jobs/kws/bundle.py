"""The model bundle: a trained model in all forms, judged, with what serves it (`earshot.bundle/1`)."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kws import flatbuffer, metrics, models, quantise, tflm
from kws.features import FrontEnd
from kws.training import Epoch, Recipe
from kws.training_set import Split, TrainingSet

SCHEMA = "earshot.bundle/1"
RECOGNISER = {"average_ms": 1000, "threshold": 200, "suppression_ms": 1500, "minimum_count": 3}
GOLDEN_ROWS = 8

_EXAMPLES = 500
_SCORING_BATCH = 512


@dataclass(frozen=True)
class Origin:
    """Where a model comes from.

    Attributes:
        architecture: its name in the registry.
        labels: its classes.
        front_end: of its features.
        dataset: manifest URI, sha256 and counts, as bundle.json has them.
        code_version: of the jobs' sources.
        recipe: of its training.
    """

    architecture: str
    labels: tuple[str, ...]
    front_end: FrontEnd
    dataset: dict[str, Any]
    code_version: str
    recipe: Recipe


def card(origin: Origin) -> dict[str, Any]:
    """The model card that lies inside the .tflite."""
    return {
        "schema": flatbuffer.CARD_SCHEMA,
        "frontend": origin.front_end.id,
        "labels": list(origin.labels),
        "recogniser": RECOGNISER,
    }


def write(
    folder: Path, model: keras.Model, data: TrainingSet, history: list[Epoch], origin: Origin, sources: Path
) -> dict[str, Any]:
    """Writes the bundle of a trained model.

    Args:
        folder: to write to.
        model: features to logits.
        data: what it was trained with and is judged on.
        history: of its training.
        origin: where it comes from.
        sources: folder of the jobs' sources, from which the serving code is taken.

    Returns:
        The content of bundle.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    examples = data.train.features[_spread(data.train.classes, _EXAMPLES)]
    int8_file = flatbuffer.with_card(quantise.to_int8(model, examples), card(origin))
    (folder / "model.tflite").write_bytes(int8_file)
    (folder / "model_float.tflite").write_bytes(flatbuffer.with_card(quantise.to_float(model), card(origin)))
    quantise.save(model, folder / "1")
    _copy_serving_code(sources, folder / "code")

    int8 = tflm.Model(int8_file, "model.tflite")
    scores = int8.answer(data.test.features)
    golden = _spread(data.test.classes, GOLDEN_ROWS)
    (folder / "golden_x.bin").write_bytes(data.test.features[golden].tobytes())
    (folder / "golden_y.bin").write_bytes(scores[golden].tobytes())

    content = {
        "schema": SCHEMA,
        "architecture": origin.architecture,
        "labels": list(origin.labels),
        "frontend": origin.front_end.id,
        "dataset": origin.dataset,
        "code_version": origin.code_version,
        "seed": origin.recipe.seed,
        "epochs": origin.recipe.epochs,
        "model_bytes": len(int8_file),
        "arena_bytes": int8.arena_bytes(),
        "operators": flatbuffer.operators(int8_file),
        "parameters": int(model.count_params()),
        "macs": models.macs(model),
        "input": _tensor(int8.input_shape, int8.input_quantisation),
        "output": _tensor(int8.output_shape, int8.output_quantisation),
        "recogniser": RECOGNISER,
        "metrics": {
            "test": _judged(model, scores, data.test, origin.labels),
            "validation": {"accuracy": {"float": history[-1].val_accuracy}},
            "history": [asdict(epoch) for epoch in history],
        },
        "golden": len(golden),
    }
    (folder / "bundle.json").write_text(json.dumps(content, indent=1) + "\n")
    return content


def _tensor(shape: tuple[int, ...], quantisation: tuple[float, int]) -> dict[str, Any]:
    return {"shape": list(shape), "scale": quantisation[0], "zero_point": quantisation[1]}


def _judged(model: keras.Model, scores: npt.NDArray[np.int8], test: Split, labels: tuple[str, ...]) -> dict[str, Any]:
    matrix = metrics.confusion(test.classes, scores.argmax(axis=1), len(labels))
    answers = model.predict(quantise.real_values(test.features), batch_size=_SCORING_BATCH, verbose=0).argmax(axis=1)
    return {
        "clips": len(test),
        "accuracy": {"float": float(np.mean(answers == test.classes)), "int8": metrics.accuracy(matrix)},
        "recall": metrics.recall(matrix, labels),
        "precision": metrics.precision(matrix, labels),
        "confusion": {"labels": list(labels), "matrix": matrix.tolist()},
        "false_alarm_rate": metrics.false_alarm_rate(matrix, labels),
    }


def _spread(classes: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """At most so many rows, a class after the other in turn, in ascending order."""
    turn = np.zeros(len(classes), np.int64)
    for index in np.unique(classes):
        rows = np.flatnonzero(classes == index)
        turn[rows] = np.arange(len(rows))
    return np.sort(np.lexsort((classes, turn))[:count])


def _copy_serving_code(sources: Path, folder: Path) -> None:
    """The handlers and the package that they import."""
    shutil.copytree(sources / "kws", folder / "kws", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copyfile(sources / "serve" / "inference.py", folder / "inference.py")
    shutil.copyfile(sources / "requirements.txt", folder / "requirements.txt")
