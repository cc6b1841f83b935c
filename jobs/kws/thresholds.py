"""The recogniser's settings, chosen on validation streams: few misses at a bearable rate of false alarms.

In these streams somebody says a word that is none of the keywords every four seconds, about 900 an hour, most of
them into noise: far more than a board hears in a day at home. FALSE_ALARMS_PER_HOUR of 20 is one in 45 of them, and
far below what the gates let pass by default: chance between two streams of a quarter of an hour is about so large.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kws import recognise
from kws.recognise import Settings
from kws.streaming import NOTHING, Heard, Tally, tally

FALSE_ALARMS_PER_HOUR = 20.0

# A word is wholly inside a window of 49 frames for about half a second: a longer average holds windows without it.
AVERAGES_MS = (80, 160, 240, 320, 400, 480, 640, 800, 1000)
# Finer where scores end: a model that was trained with smoothed labels is never surer than about 246.
THRESHOLDS = (*range(90, 200, 5), *range(200, 255))
SUPPRESSIONS_MS = (1000, 1500)
_FRAME_MS = 20


@dataclass(frozen=True)
class Trial:
    """Settings with what came of them."""

    settings: Settings
    tally: Tally

    def as_dict(self) -> dict[str, Any]:
        """As evaluation.json has it."""
        return {
            **self.settings.as_dict(),
            "misses": self.tally.misses,
            "false_alarms_per_hour": self.tally.false_alarms_per_hour,
        }


def minimum_count(average_ms: int) -> int:
    """Results that an average needs.

    Results come at an even pace, so on a stream this tells settings apart in its first second only, and no search
    could choose it. Half of those that fit keep a board from deciding on one result after a gap.
    """
    return max(1, average_ms // (Settings.hop_frames * _FRAME_MS) // 2)


def trials(heard: Sequence[Heard], labels: Sequence[str]) -> Iterator[Trial]:
    """All settings of the grid on a stream."""
    for average_ms in AVERAGES_MS:
        averages = [recognise.Averages(h.scores, h.at_ms, labels, average_ms) for h in heard]
        for threshold, suppression_ms in itertools.product(THRESHOLDS, SUPPRESSIONS_MS):
            settings = Settings(average_ms, threshold, suppression_ms, minimum_count(average_ms))
            total = NOTHING
            for h, average in zip(heard, averages, strict=True):
                total += tally(average.words(settings), h.scene.words, h.scene.hours)
            yield Trial(settings, total)


def _caution(trial: Trial) -> tuple[float, ...]:
    """Smaller is more cautious: false alarms, then misses, then settings that hear less."""
    settings, tally_ = trial.settings, trial.tally
    return (
        tally_.false_alarms,
        tally_.misses,
        -settings.threshold,
        -settings.average_ms,
        -settings.suppression_ms,
    )


def best(of: Sequence[Trial]) -> Trial:
    """The most cautious trial that misses hardly more words than any that keeps the goal.

    Hardly more is one standard error of the fewest misses (the rule of L. Breiman et al., "Classification and
    Regression Trees", 1984): of hundreds of settings, the one with the very fewest on a short stream has luck in it.
    Where none keeps the goal, it is the one with the fewest alarms.
    """
    keeping = [trial for trial in of if trial.tally.false_alarms_per_hour <= FALSE_ALARMS_PER_HOUR]
    if not keeping:
        return min(of, key=_caution)
    fewest, words = min((trial.tally.misses, trial.tally.words) for trial in keeping)
    error = math.sqrt(fewest * (1 - fewest / words)) if words else 0.0
    return min((trial for trial in keeping if trial.tally.misses <= fewest + error), key=_caution)
