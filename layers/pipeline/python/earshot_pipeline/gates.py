"""May a model go out? Each gate compares one measured figure with its limit and says by how much it missed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GateSettings:
    """The limits a model must keep.

    Attributes:
        min_accuracy: least accuracy of the int8 model on test clips, 0 to 1.
        min_recall: least recall of each keyword, 0 to 1.
        max_false_alarm_rate: largest share of unknown and silence clips called a keyword, 0 to 1.
        max_int8_drop: largest loss of accuracy from float to int8, 0 to 1.
        max_model_bytes: largest int8 model.
        max_arena_bytes: largest tensor arena.
    """

    min_accuracy: float
    min_recall: float
    max_false_alarm_rate: float
    max_int8_drop: float
    max_model_bytes: int
    max_arena_bytes: int


@dataclass(frozen=True)
class Verdict:
    """One gate's answer.

    Attributes:
        gate: its name.
        value: the measured figure; None when the bundle does not tell it.
        limit: the figure to keep.
        passed: whether it was kept.
    """

    gate: str
    value: float | None
    limit: float
    passed: bool

    def __str__(self) -> str:
        if self.passed:
            return f"{self.gate} {self.value:g} keeps {self.limit:g}"
        if self.value is None:
            return f"{self.gate} was not measured (limit {self.limit:g})"
        return f"{self.gate} {self.value:g} misses {self.limit:g} by {abs(self.value - self.limit):.4g}"


def judge(card: Mapping[str, Any], keywords: tuple[str, ...], settings: GateSettings) -> tuple[Verdict, ...]:
    """Judge a bundle's card (`earshot.bundle/1`). What was not measured does not pass.

    Args:
        card: the content of bundle.json.
        keywords: the words that the model must know.
        settings: the limits.
    """
    test = _mapping(_mapping(card.get("metrics")).get("test"))
    accuracy, recall = _mapping(test.get("accuracy")), _mapping(test.get("recall"))
    int8, full = _number(accuracy.get("int8")), _number(accuracy.get("float"))
    drop = None if int8 is None or full is None else max(full - int8, 0.0)
    return (
        _at_least("accuracy", int8, settings.min_accuracy),
        *(_at_least(f"recall of {word}", _number(recall.get(word)), settings.min_recall) for word in keywords),
        _at_most("false alarm rate", _number(test.get("false_alarm_rate")), settings.max_false_alarm_rate),
        _at_most("int8 drop", drop, settings.max_int8_drop),
        _at_most("model bytes", _number(card.get("model_bytes")), settings.max_model_bytes),
        _at_most("arena bytes", _number(card.get("arena_bytes")), settings.max_arena_bytes),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _at_least(gate: str, value: float | None, limit: float) -> Verdict:
    return Verdict(gate, value, limit, value is not None and value >= limit)


def _at_most(gate: str, value: float | None, limit: float) -> Verdict:
    return Verdict(gate, value, limit, value is not None and value <= limit)
