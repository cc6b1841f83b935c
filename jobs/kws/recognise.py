"""From a stream of scores to words heard: the board's recogniser, in the same integers.

The rule is that of `firmware/core/recogniser.h`; a change to one is a change to both. It is here twice: result
by result (`Recogniser`), as a board hears, and over a whole stream at once (`Averages`), for trying many settings.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from kws.labels import SILENCE, UNKNOWN

# Results kept at most, however long the average is asked to be.
MOST_RESULTS = 64
# Frames from one inference to the next, for a card that does not say.
_OLD_HOP_FRAMES = 2


@dataclass(frozen=True)
class Settings:
    """How results are averaged and when they are a word.

    Attributes:
        average_ms: how far back results count.
        threshold: what an average (0 to 255) must exceed.
        suppression_ms: how long the same word is not heard again.
        minimum_count: fewest results of an average.
        hop_frames: frames from one result to the next. Four, 80 ms, cost a board half of two, and on streams as
            many words were heard, at as many false alarms.
    """

    average_ms: int = 480
    threshold: int = 200
    suppression_ms: int = 1500
    minimum_count: int = 3
    hop_frames: int = 4

    @classmethod
    def of(cls, card: dict[str, int]) -> "Settings":
        """Settings that a model card holds.

        Raises:
            TypeError: a setting is unknown.
        """
        return cls(**{"hop_frames": _OLD_HOP_FRAMES, **card})

    def as_dict(self) -> dict[str, int]:
        """As the model card has them."""
        return asdict(self)


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


class Averages:
    """All averages of a stream, from which the words of any threshold are quickly read.

    Args:
        scores: int8 (results, labels).
        at_ms: int64 (results,), their times, never falling.
        labels: of the model.
        average_ms: how far back results count.
    """

    def __init__(
        self, scores: npt.NDArray[np.int8], at_ms: npt.NDArray[np.int64], labels: Sequence[str], average_ms: int
    ) -> None:
        index = np.arange(len(scores))
        oldest = np.maximum(np.searchsorted(at_ms, at_ms - average_ms, side="left"), index + 1 - MOST_RESULTS)
        sums = np.concatenate([np.zeros((1, len(labels)), np.int64), np.cumsum(scores.astype(np.int64) + 128, axis=0)])
        self.average_ms = average_ms
        self._labels, self._at_ms = tuple(labels), at_ms
        self._counts = index + 1 - oldest
        averages = (sums[1:] - sums[oldest]) // self._counts[:, None]
        self._top = averages.argmax(axis=1)
        self._score = averages[index, self._top]
        self._is_keyword = np.isin(self._top, [i for i, label in enumerate(labels) if label not in (UNKNOWN, SILENCE)])

    def words(self, settings: Settings) -> Iterator[Word]:
        """What a recogniser of these settings hears; their `average_ms` is to be that of the averages."""
        convinced = (
            self._is_keyword & (self._score > settings.threshold) & (self._counts >= settings.minimum_count)
        ).nonzero()[0]
        last_top, last_ms = -1, 0
        tops, times = self._top[convinced].tolist(), self._at_ms[convinced].tolist()
        for index, top, at_ms in zip(convinced.tolist(), tops, times, strict=True):
            if top == last_top and at_ms - last_ms <= settings.suppression_ms:
                continue
            last_top, last_ms = top, at_ms
            yield Word(self._labels[top], int(self._score[index]), at_ms)
