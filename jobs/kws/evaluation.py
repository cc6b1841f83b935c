"""Judges a model on test clips: the figures of bundle.json, the curves behind them, and every answer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kws import calibration, metrics, tradeoff
from kws.dataset import Clip
from kws.features import canonical_json
from kws.labels import SILENCE, UNKNOWN
from kws.training_set import Split

SCHEMA = "earshot.evaluation/1"
# Named are the surest of all mistakes and, so that each gate has clips to name, the surest of each kind.
MOST_MISTAKES, MOST_OF_A_KIND = 20, 5

Scores = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Judged:
    """One form of a model (float or int8) with its answers to the test clips.

    Attributes:
        labels: its classes.
        truth: int64 (clips,).
        scores: float (clips, classes), 0 to 1.
        answers: int64 (clips,), the class of each clip's highest score, the first of equals.
    """

    labels: tuple[str, ...]
    truth: npt.NDArray[np.int64]
    scores: Scores
    answers: npt.NDArray[np.int64]

    @classmethod
    def of(cls, labels: Sequence[str], truth: npt.NDArray[np.int64], scores: Scores) -> "Judged":
        """Judges scores; what quantisation put outside of 0 to 1 is brought back."""
        return cls(tuple(labels), truth, np.clip(scores, 0.0, 1.0), scores.argmax(axis=1))

    @property
    def matrix(self) -> metrics.Matrix:
        """Confusion of truth (rows) and answers."""
        return metrics.confusion(self.truth, self.answers, len(self.labels))

    @property
    def surest(self) -> Scores:
        """Score of each answer, float (clips,)."""
        return self.scores[np.arange(len(self.scores)), self.answers]

    @property
    def reliability(self) -> tuple[calibration.Bin, ...]:
        """How far its scores can be relied on."""
        return calibration.bins(self.surest, self.answers == self.truth)

    def trade_off(self) -> dict[str, tradeoff.Curve | None]:
        """By keyword, missed clips against false alarms; None of a keyword without test clips."""
        return {
            label: tradeoff.curve(self.scores[:, index], self.truth == index)
            for index, label in enumerate(self.labels)
            if label not in (UNKNOWN, SILENCE)
        }

    def curves(self) -> dict[str, Any]:
        """As evaluation.json has them."""
        return {
            "trade_off": {label: c.as_dict() if c else None for label, c in self.trade_off().items()},
            "calibration": calibration.as_list(self.reliability),
        }


@dataclass(frozen=True)
class Mistake:
    """A test clip that was answered wrongly, by the int8 model.

    Attributes:
        row: of the test clips.
        key: of its clip, or of the noise recording that it is a window of.
        truth: its label.
        answer: the model's.
        score: of the answer, 0 to 1.
    """

    row: int
    key: str
    truth: str
    answer: str
    score: float

    def as_dict(self) -> dict[str, Any]:
        """As bundle.json has it."""
        return {"key": self.key, "truth": self.truth, "answer": self.answer, "score": self.score}


def keys_of(clips: Sequence[Clip]) -> dict[str, Clip]:
    """Clips by content; of two with one content the one with the first key, as training takes them."""
    return {clip.sha256: clip for clip in sorted(clips, key=lambda c: c.key, reverse=True)}


def mistakes(judged: Judged, test: Split, known: Mapping[str, Clip]) -> list[Mistake]:
    """The surest wrong answers first, each recording once; generated noise has no key and is left out.

    A kind is a truth that was called a keyword, or was not.
    """
    wrong = np.flatnonzero(judged.answers != judged.truth)
    found: dict[str, Mistake] = {}
    for row in sorted(wrong.tolist(), key=lambda r: (-judged.surest[r], str(test.clip[r]), r)):
        clip = known.get(str(test.clip[row]))
        if clip and clip.key not in found:
            truth, answer = judged.labels[judged.truth[row]], judged.labels[judged.answers[row]]
            found[clip.key] = Mistake(row, clip.key, truth, answer, float(judged.surest[row]))
    named: list[Mistake] = []
    kinds = Counter[tuple[str, bool]]()
    for mistake in found.values():
        kind = (mistake.truth, mistake.answer in (UNKNOWN, SILENCE))
        kinds[kind] += 1
        if len(named) < MOST_MISTAKES or kinds[kind] <= MOST_OF_A_KIND:
            named.append(mistake)
    return named


def test_figures(full: Judged, int8: Judged, worst: Sequence[Mistake]) -> dict[str, Any]:
    """What bundle.json says of the test clips.

    Args:
        full: the float model.
        int8: the model of the board; figures that name no form are its.
        worst: its mistakes.

    Raises:
        ValueError: no test clips.
    """
    return {
        "clips": len(int8.truth),
        "accuracy": {"float": metrics.accuracy(full.matrix), "int8": metrics.accuracy(int8.matrix)},
        **metrics.summary(int8.matrix, int8.labels),
        "float": metrics.summary(full.matrix, full.labels),
        "calibration": {
            "float": calibration.expected_error(full.reliability),
            "int8": calibration.expected_error(int8.reliability),
        },
        "mistakes": [mistake.as_dict() for mistake in worst],
    }


@dataclass(frozen=True)
class Answer:
    """What a model said to a recorded clip: a line of answers.jsonl."""

    sha256: str
    key: str
    truth: str
    answer: str
    scores: tuple[int, ...]


def answers(int8: Judged, raw: npt.NDArray[np.int8], test: Split, known: Mapping[str, Clip]) -> list[Answer]:
    """Answers to all recorded test clips, noise aside, by content.

    Args:
        int8: the model of the board.
        raw: its scores as they are, int8 (clips, classes).
        test: the clips.
        known: clips by content.
    """
    given = []
    for row, sha256 in enumerate(test.clip.tolist()):
        clip = known.get(sha256)
        if clip and not clip.is_noise:
            truth, answer = int8.labels[int8.truth[row]], int8.labels[int8.answers[row]]
            given.append(Answer(sha256, clip.key, truth, answer, tuple(raw[row].tolist())))
    return sorted(given, key=lambda a: a.sha256)


def as_lines(given: Sequence[Answer]) -> str:
    """The content of answers.jsonl."""
    return "".join(canonical_json({**vars(answer), "scores": list(answer.scores)}) + "\n" for answer in given)
