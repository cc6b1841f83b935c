"""What a keyword's threshold costs: clips missed against false alarms, over all thresholds of its score."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# An int8 score has so many values; a finer threshold would tell nothing apart.
LEVELS = 256


@dataclass(frozen=True)
class Curve:
    """A keyword's trade-off; all arrays are float64 (points,), thresholds ascending.

    Attributes:
        thresholds: a clip is called the keyword when its score is at least so high.
        miss_rate: share of the keyword's clips that are not called so; never falls.
        false_alarm_rate: share of all other clips that are; never rises.
    """

    thresholds: npt.NDArray[np.float64]
    miss_rate: npt.NDArray[np.float64]
    false_alarm_rate: npt.NDArray[np.float64]

    def as_dict(self) -> dict[str, Any]:
        """As evaluation.json has it."""
        return {
            "thresholds": self.thresholds.tolist(),
            "miss_rate": self.miss_rate.tolist(),
            "false_alarm_rate": self.false_alarm_rate.tolist(),
        }


def curve(scores: npt.NDArray[np.floating], is_keyword: npt.NDArray[np.bool_]) -> Curve | None:
    """The trade-off of a keyword.

    Args:
        scores: float (clips,), the keyword's score of each clip, 0 to 1.
        is_keyword: bool (clips,), where it was said.

    Returns:
        The points at which a rate changes, from threshold 0 on; None where no clip is the keyword's, or all are.
    """
    if not is_keyword.any() or is_keyword.all():
        return None
    thresholds = np.arange(LEVELS + 1) / LEVELS
    said, unsaid = np.sort(scores[is_keyword]), np.sort(scores[~is_keyword])
    missed = np.searchsorted(said, thresholds, side="left")
    alarms = len(unsaid) - np.searchsorted(unsaid, thresholds, side="left")
    changes = np.concatenate([[True], (np.diff(missed) != 0) | (np.diff(alarms) != 0)])
    return Curve(thresholds[changes], missed[changes] / len(said), alarms[changes] / len(unsaid))
