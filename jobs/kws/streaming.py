"""How a model does on streams: as a board hears them, from the running front end to the recogniser.

After every second frame the model reads the last frames' features; the recogniser makes words of its scores. A
keyword is a hit when it is reported between its clip's start and its end with the latency that `kws.scenes`
states, once; else it is missed. Every other report is a false alarm.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kws import recognise
from kws.features import FrontEnd
from kws.scenes import LATENCY_MS, Scene, Spoken

Int8 = npt.NDArray[np.int8]
Answer = Callable[[Sequence[Int8]], Sequence[Int8]]

# What a silent past looks like to a model.
_SILENT_FEATURE = -128


@dataclass(frozen=True)
class Heard:
    """A scene with what a model answered to it.

    Attributes:
        scene: what was played.
        scores: int8 (results, labels).
        at_ms: int64 (results,), the time of each.
    """

    scene: Scene
    scores: Int8
    at_ms: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tally:
    """What came of a stream."""

    words: int
    misses: int
    false_alarms: int
    hours: float

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.words + other.words,
            self.misses + other.misses,
            self.false_alarms + other.false_alarms,
            self.hours + other.hours,
        )

    @property
    def false_alarms_per_hour(self) -> float:
        """0 of no time."""
        return self.false_alarms / self.hours if self.hours else 0.0


NOTHING = Tally(0, 0, 0, 0.0)


def windows(scene: Scene, front_end: FrontEnd, hop_frames: int) -> tuple[Int8, npt.NDArray[np.int64]]:
    """What a model reads of a scene, and when.

    Args:
        scene: the scene.
        front_end: the model's.
        hop_frames: frames from one reading to the next.

    Returns:
        int8 (results, frames, channels), a view of the stream's frames; int64 (results,), milliseconds since the
        stream's start at which the newest frame's window ends.
    """
    frames, channels = front_end.shape
    stream = front_end.stream(1).feed(scene.samples[None])[0]
    past = np.full((frames - 1, channels), _SILENT_FEATURE, np.int8)
    every = np.lib.stride_tricks.sliding_window_view(np.concatenate([past, stream]), frames, axis=0)
    newest = np.arange(hop_frames - 1, len(stream), hop_frames)
    ends = newest * front_end.step_samples + front_end.window_samples
    rows = every.transpose(0, 2, 1)[hop_frames - 1 :: hop_frames]
    return rows, ends * 1000 // front_end.sample_rate


def play(played: Sequence[Scene], front_end: FrontEnd, answer: Answer, hop_frames: int) -> list[Heard]:
    """Plays scenes to a model.

    Args:
        played: the scenes.
        front_end: the model's.
        answer: scores of features, part by part, as `parallel.answers` gives them.
        hop_frames: of the recogniser.
    """
    read = [windows(scene, front_end, hop_frames) for scene in played]
    scores = answer([rows for rows, _ in read])
    return [Heard(scene, given, at_ms) for scene, given, (_, at_ms) in zip(played, scores, read, strict=True)]


def tally(words: Iterable[recognise.Word], spoken: Sequence[Spoken], hours: float) -> Tally:
    """Counts hits and false alarms.

    Args:
        words: what was heard, in the order of time.
        spoken: what was said, in the order of time, more than LATENCY_MS apart.
        hours: how long the stream was.
    """
    keywords = [word for word in spoken if word.is_keyword]
    hit = [False] * len(keywords)
    false_alarms, current = 0, 0
    for word in words:
        while current < len(keywords) and keywords[current].end_ms + LATENCY_MS < word.at_ms:
            current += 1
        expected = keywords[current] if current < len(keywords) else None
        if expected and expected.start_ms <= word.at_ms and expected.label == word.label and not hit[current]:
            hit[current] = True
        else:
            false_alarms += 1
    return Tally(len(keywords), hit.count(False), false_alarms, hours)


def judge(heard: Sequence[Heard], labels: Sequence[str], settings: recognise.Settings) -> list[Tally]:
    """Tallies of scenes, with a recogniser of these settings."""
    return [
        tally(
            recognise.Averages(h.scores, h.at_ms, labels, settings.average_ms).words(settings),
            h.scene.words,
            h.scene.hours,
        )
        for h in heard
    ]


def figures(heard: Sequence[Heard], labels: Sequence[str], settings: recognise.Settings) -> dict[str, Any] | None:
    """What bundle.json says of a stream; None where no keyword is spoken in it."""
    tallies = judge(heard, labels, settings)
    total = sum(tallies, NOTHING)
    if not total.words:
        return None
    return {
        "hours": total.hours,
        "words": total.words,
        "misses": total.misses,
        "miss_rate": total.misses / total.words,
        "false_alarms": total.false_alarms,
        "false_alarms_per_hour": total.false_alarms_per_hour,
        "by_snr": [
            {
                "snr_db": h.scene.snr_db,
                "words": t.words,
                "misses": t.misses,
                "false_alarms": t.false_alarms,
                "hours": t.hours,
            }
            for h, t in zip(heard, tallies, strict=True)
        ],
    }
