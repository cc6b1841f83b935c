"""From a stream of scores to words heard: the board's recogniser, in the same integers.

The rule is that of `firmware/core/recogniser.h`; a change to one is a change to both.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kws.labels import SILENCE, UNKNOWN

# Results kept at most, however long the average is asked to be.
MOST_RESULTS = 64
# Frames from one inference to the next.
HOP_FRAMES = 2


@dataclass(frozen=True)
class Settings:
    """How results are averaged and when they are a word.

    Attributes:
        average_ms: how far back results count.
        threshold: what an average (0 to 255) must exceed.
        suppression_ms: how long the same word is not heard again.
        minimum_count: fewest results of an average.
    """

    average_ms: int = 1000
    threshold: int = 200
    suppression_ms: int = 1500
    minimum_count: int = 3


@dataclass(frozen=True)
class Word:
    """A word heard.

    Attributes:
        label: which.
        score: its average, 0 to 255.
        at_ms: the time of the result that decided it.
    """

    label: str
    score: int
    at_ms: int


class Recogniser:
    """Averages scores over time and decides what was heard.

    Args:
        labels: of the model.
        settings: of the model.
    """

    def __init__(self, labels: Sequence[str], settings: Settings) -> None:
        self._labels, self._settings = tuple(labels), settings
        self._kept: deque[tuple[int, npt.NDArray[np.int64]]] = deque(maxlen=MOST_RESULTS)
        self._last: Word | None = None

    def push(self, scores: npt.NDArray[np.int8], at_ms: int) -> Word | None:
        """Takes a result.

        Args:
            scores: int8 (labels,).
            at_ms: its time, never before the last one's.

        Returns:
            The word that it completes, if any.
        """
        settings = self._settings
        while self._kept and self._kept[0][0] < at_ms - settings.average_ms:
            self._kept.popleft()
        self._kept.append((at_ms, scores.astype(np.int64) + 128))
        if len(self._kept) < settings.minimum_count:
            return None
        average = np.sum([kept for _, kept in self._kept], axis=0) // len(self._kept)
        top = int(np.argmax(average))
        label, score = self._labels[top], int(average[top])
        if label in (UNKNOWN, SILENCE) or score <= settings.threshold:
            return None
        last = self._last
        if last and last.label == label and at_ms - last.at_ms <= settings.suppression_ms:
            return None
        self._last = Word(label, score, at_ms)
        return self._last
