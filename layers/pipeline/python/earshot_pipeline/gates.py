"""May a model go out? Each gate compares one measured figure with its limit and says by how much it missed."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# What the board's interpreter runs: the table in firmware/core/operators.c.
OPERATORS = frozenset(
    {
        "ADD",
        "AVERAGE_POOL_2D",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "MAX_POOL_2D",
        "MEAN",
        "PAD",
        "RELU",
        "RELU6",
        "RESHAPE",
        "SOFTMAX",
    }
)
_CLIPS = 5


@dataclass(frozen=True)
class GateSettings:
    """The limits a model must keep.

    Attributes:
        min_accuracy: least accuracy of the int8 model on test clips, 0 to 1.
        min_recall: least recall of each keyword, 0 to 1.
        max_false_alarm_rate: largest share of unknown and silence clips called a keyword, 0 to 1.
        max_false_alarms_per_hour: most words heard an hour of recordings in which nobody said them.
        max_int8_drop: largest loss of accuracy from float to int8, 0 to 1.
        max_model_bytes: largest int8 model.
        max_arena_bytes: largest tensor arena.
        max_instructions: most instructions an inference on the board, estimated.
        max_champion_loss: so much worse than the released model, on that model's test clips, a model may be, 0 to 1.
    """

    min_accuracy: float
    min_recall: float
    max_false_alarm_rate: float
    max_false_alarms_per_hour: float
    max_int8_drop: float
    max_model_bytes: int
    max_arena_bytes: int
    max_instructions: int
    max_champion_loss: float


@dataclass(frozen=True)
class Verdict:
    """One gate's answer.

    Attributes:
        gate: its name.
        value: the measured figure; None when the bundle does not tell it.
        limit: the figure to keep.
        passed: whether it was kept.
        clips: keys of clips that show what is wrong, at most five; empty where the gate is not about clips.
        detail: what the figure counts, for people; "" where the gate's name says it.
    """

    gate: str
    value: float | None
    limit: float
    passed: bool
    clips: tuple[str, ...] = ()
    detail: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.gate} was not measured (limit {_exact(self.limit)})"
        if self.passed:
            return f"{self.gate} {_exact(self.value)} keeps {_exact(self.limit)}"
        shown = [text for text in (self.detail, ", ".join(self.clips)) if text]
        named = f" ({'; '.join(shown)})" if shown else ""
        gap = float(f"{abs(self.value - self.limit):.12g}")
        return f"{self.gate} {_exact(self.value)} misses {_exact(self.limit)} by {_exact(gap)}{named}"


def judge(card: Mapping[str, Any], keywords: tuple[str, ...], settings: GateSettings) -> tuple[Verdict, ...]:
    """Judge a bundle's card (`earshot.bundle/1`). What was not measured does not pass.

    Args:
        card: the content of bundle.json.
        keywords: the words that the model must know.
        settings: the limits.
    """
    metrics = _mapping(card.get("metrics"))
    test, streaming, cost = (
        _mapping(metrics.get("test")),
        _mapping(metrics.get("streaming")),
        _mapping(card.get("cost")),
    )
    accuracy, recall = _mapping(test.get("accuracy")), _mapping(test.get("recall"))
    int8, full = _number(accuracy.get("int8")), _number(accuracy.get("float"))
    drop = None if int8 is None or full is None else max(full - int8, 0.0)
    mistakes = _Mistakes.of(test.get("mistakes"))
    false_alarms = mistakes.where(lambda truth, answer: answer in keywords and truth not in keywords)
    return (
        _at_least("accuracy", int8, settings.min_accuracy, mistakes.where(lambda truth, answer: True)),
        *(_recall(word, recall, settings.min_recall, mistakes) for word in keywords),
        _at_most(
            "false alarm rate", _number(test.get("false_alarm_rate")), settings.max_false_alarm_rate, false_alarms
        ),
        _at_most(
            "false alarms an hour", _number(streaming.get("false_alarms_per_hour")), settings.max_false_alarms_per_hour
        ),
        _at_most("int8 drop", drop, settings.max_int8_drop),
        _at_most("model bytes", _number(card.get("model_bytes")), settings.max_model_bytes),
        _at_most("arena bytes", _number(card.get("arena_bytes")), settings.max_arena_bytes),
        _at_most("instructions", _number(cost.get("instructions")), settings.max_instructions),
        _operators(card.get("operators")),
        *_champion(metrics.get("champion"), settings.max_champion_loss),
    )


def _recall(word: str, recall: Mapping[str, Any], limit: float, mistakes: "_Mistakes") -> Verdict:
    unheard = mistakes.where(lambda truth, answer: truth == word)
    return _at_least(f"recall of {word}", _number(recall.get(word)), limit, unheard)


def _operators(used: object) -> Verdict:
    """The board must have every operator; the figure is how many it lacks."""
    if not isinstance(used, list) or not used:
        return Verdict("operators", None, 0, False)
    lacking = sorted({str(operator) for operator in used} - OPERATORS)
    return Verdict(
        "operators", len(lacking), 0, not lacking, detail=f"the board has no {', '.join(lacking)}" if lacking else ""
    )


def _champion(compared: object, loss: float) -> tuple[Verdict, ...]:
    """Not worse than the released model; no verdict where there was none to compare with."""
    if compared is None:
        return ()
    figures = _mapping(compared)
    champion, challenger = _number(figures.get("accuracy")), _number(figures.get("challenger"))
    limit = max(champion - loss, 0.0) if champion is not None else 0.0
    lost = figures.get("lost")
    clips = tuple(map(str, lost[:_CLIPS])) if isinstance(lost, list) else ()
    # An accuracy that lies exactly the margin below must not fail by a rounding of the subtraction.
    return (_at_least("champion", None if champion is None else challenger, round(limit, 9), clips),)


@dataclass(frozen=True)
class _Mistakes:
    """Test clips that the model got wrong, the surest first, as (key, truth, answer)."""

    entries: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, listed: object) -> "_Mistakes":
        """From `metrics.test.mistakes`; anything else has none."""
        entries: Iterable[Mapping[str, Any]] = map(_mapping, listed) if isinstance(listed, list) else ()
        return cls(
            tuple(
                (str(entry["key"]), str(entry.get("truth")), str(entry.get("answer")))
                for entry in entries
                if entry.get("key")
            )
        )

    def where(self, wanted: Callable[[str, str], bool]) -> tuple[str, ...]:
        """Keys of the first mistakes of a kind, chosen by truth and answer."""
        return tuple(key for key, truth, answer in self.entries if wanted(truth, answer))[:_CLIPS]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _exact(value: float) -> str:
    """A figure as people write it: whole numbers whole, shares by six digits."""
    return f"{value:.0f}" if value == round(value) else f"{value:g}"


def _at_least(gate: str, value: float | None, limit: float, clips: tuple[str, ...] = ()) -> Verdict:
    return _verdict(gate, value, limit, value is not None and value >= limit, clips)


def _at_most(gate: str, value: float | None, limit: float, clips: tuple[str, ...] = ()) -> Verdict:
    return _verdict(gate, value, limit, value is not None and value <= limit, clips)


def _verdict(gate: str, value: float | None, limit: float, passed: bool, clips: tuple[str, ...]) -> Verdict:
    return Verdict(gate, value, limit, passed, () if passed else clips)
