"""Whether a score means what it says: of answers given with a score of 0.8, four in five should be right.

Expected calibration error after C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: answers
are put into bins of equal width by their score; the error is the mean distance of a bin's share of right
answers from its mean score, weighted by its answers.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Answers with a score from `low` to below `high` (the last bin holds 1, too).

    Attributes:
        low: where the bin begins.
        high: where it ends.
        answers: how many; where there are none, the other figures are 0.
        score: their mean score.
        accuracy: share that is right.
    """

    low: float
    high: float
    answers: int
    score: float
    accuracy: float


def bins(scores: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """The reliability bins of answers.

    Args:
        scores: float (answers,), the score that each was given with, 0 to 1.
        right: bool (answers,).
    """
    place = np.clip((np.asarray(scores, np.float64) * BINS).astype(np.int64), 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    divisor = np.maximum(counts, 1)
    means = np.bincount(place, weights=scores, minlength=BINS) / divisor
    shares = np.bincount(place, weights=right, minlength=BINS) / divisor
    return tuple(Bin(i / BINS, (i + 1) / BINS, int(counts[i]), float(means[i]), float(shares[i])) for i in range(BINS))


def expected_error(of: tuple[Bin, ...]) -> float:
    """Expected calibration error, 0 to 1; 0 of no answers."""
    total = sum(b.answers for b in of)
    return sum(b.answers * abs(b.accuracy - b.score) for b in of) / total if total else 0.0


def as_list(of: tuple[Bin, ...]) -> list[dict[str, Any]]:
    """As evaluation.json has them."""
    return [asdict(b) for b in of]
