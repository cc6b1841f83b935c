"""How good answers are: confusion, recall, precision, false alarms. Pure counting."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kws.labels import SILENCE, UNKNOWN

Matrix = npt.NDArray[np.int64]


def confusion(truth: npt.NDArray[np.integer], answers: npt.NDArray[np.integer], classes: int) -> Matrix:
    """Counts, int64 (classes, classes): a row is the truth, a column the answer."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (truth, answers), 1)
    return matrix


def accuracy(matrix: Matrix) -> float:
    """Share of right answers.

    Raises:
        ValueError: no answers.
    """
    if not matrix.sum():
        raise ValueError("accuracy of no clips; give at least one")
    return float(np.trace(matrix) / matrix.sum())


def _shares(matrix: Matrix, totals: Matrix, labels: Sequence[str]) -> dict[str, float | None]:
    right = np.diag(matrix)
    return {label: float(r / t) if t else None for label, r, t in zip(labels, right, totals, strict=True)}


def recall(matrix: Matrix, labels: Sequence[str]) -> dict[str, float | None]:
    """By label, the share of its clips that were recognised; None of no clips."""
    return _shares(matrix, matrix.sum(axis=1), labels)


def precision(matrix: Matrix, labels: Sequence[str]) -> dict[str, float | None]:
    """By label, the share of its answers that were right; None of no answers."""
    return _shares(matrix, matrix.sum(axis=0), labels)


def false_alarm_rate(matrix: Matrix, labels: Sequence[str]) -> float:
    """Share of unknown and silence clips that were called a keyword; 0 of no such clips."""
    others = [index for index, label in enumerate(labels) if label in (UNKNOWN, SILENCE)]
    keywords = [index for index in range(len(labels)) if index not in others]
    clips = matrix[others].sum()
    return float(matrix[np.ix_(others, keywords)].sum() / clips) if clips else 0.0


def summary(matrix: Matrix, labels: Sequence[str]) -> dict[str, Any]:
    """Recall, precision, confusion and false alarm rate, as bundle.json has them."""
    return {
        "recall": recall(matrix, labels),
        "precision": precision(matrix, labels),
        "confusion": {"labels": list(labels), "matrix": matrix.tolist()},
        "false_alarm_rate": false_alarm_rate(matrix, labels),
    }
