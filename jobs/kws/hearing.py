"""A model heard as a board hears it: settings chosen on validation streams, then judged on test streams."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kws import parallel, recordings, scenes, streaming, thresholds
from kws.dataset import Clip
from kws.features import FrontEnd
from kws.recognise import Settings
from kws.splits import TEST, VALIDATION

Log = Callable[[str], None]


@dataclass(frozen=True)
class Hearing:
    """What came of it.

    Attributes:
        settings: of the recogniser.
        figures: on test streams, as bundle.json has them; None where they could not be measured.
        curves: behind them, as evaluation.json has them; None likewise.
    """

    settings: Settings
    figures: dict[str, Any] | None
    curves: dict[str, Any] | None


def hear(
    audio: Path | None, clips: Sequence[Clip], labels: Sequence[str], front_end: FrontEnd, model: bytes, log: Log
) -> Hearing:
    """Plays the streams of a dataset to a model.

    Args:
        audio: folder of recordings; None or an absent one for none.
        clips: of the dataset.
        labels: of the model.
        front_end: of its features.
        model: the int8 .tflite.
        log: gets a line a stream.
    """
    if audio is None or not audio.is_dir():
        log("streaming not measured: the job has no recordings")
        return Hearing(Settings(), None, None)
    channel = recordings.Channel(audio, clips, labels, log)
    heard = {split: _play(channel, split, front_end, model, log) for split in (VALIDATION, TEST)}
    tried: list[thresholds.Trial] = []
    settings = Settings()
    if any(word.is_keyword for h in heard[VALIDATION] for word in h.scene.words):
        tried = list(thresholds.trials(heard[VALIDATION], labels))
        chosen = thresholds.best(tried)
        settings = chosen.settings
        if chosen.tally.false_alarms_per_hour > thresholds.FALSE_ALARMS_PER_HOUR:
            log(f"streaming: no settings keep false alarms below {thresholds.FALSE_ALARMS_PER_HOUR:g} an hour")
    else:
        log("streaming: no keyword among the validation recordings; the recogniser keeps its defaults")
    figures = streaming.figures(heard[TEST], labels, settings)
    if figures is None:
        log("streaming not measured: no keyword among the test recordings")
        return Hearing(settings, None, None)
    log(
        f"streaming test misses={figures['misses']}/{figures['words']} "
        f"false_alarms_per_hour={figures['false_alarms_per_hour']:.2f} average_ms={settings.average_ms} "
        f"threshold={settings.threshold} suppression_ms={settings.suppression_ms}"
    )
    return Hearing(settings, figures, _curves(channel, heard[TEST], labels, settings, tried))


def _play(
    channel: recordings.Channel, split: str, front_end: FrontEnd, model: bytes, log: Log
) -> list[streaming.Heard]:
    started = time.monotonic()
    words = channel.words(split, scenes.WORDS_A_SCENE * len(scenes.SNRS_DB))
    made = scenes.scenes(words, channel.noise(split), split)
    heard = streaming.play(made, front_end, lambda parts: parallel.answers(model, parts), Settings.hop_frames)
    hours = sum(h.scene.hours for h in heard)
    log(f"streaming {split} words={len(words)} hours={hours:.3f} seconds={time.monotonic() - started:.1f}")
    return heard


def _curves(
    channel: recordings.Channel,
    heard: Sequence[streaming.Heard],
    labels: Sequence[str],
    settings: Settings,
    tried: Sequence[thresholds.Trial],
) -> dict[str, Any]:
    """The way the test streams go with the threshold, and the best of each average on validation streams."""
    operating = []
    for threshold in thresholds.THRESHOLDS:
        total = sum(streaming.judge(heard, labels, replace(settings, threshold=threshold)), streaming.NOTHING)
        operating.append(
            {
                "threshold": threshold,
                "miss_rate": total.misses / total.words,
                "false_alarms_per_hour": total.false_alarms_per_hour,
            }
        )
    return {
        "latency_ms": scenes.LATENCY_MS,
        "goal_false_alarms_per_hour": thresholds.FALSE_ALARMS_PER_HOUR,
        "noise": "recorded" if channel.noise(TEST) else "generated",
        "operating": operating,
        "validation": [
            thresholds.best([t for t in tried if t.settings.average_ms == average_ms]).as_dict()
            for average_ms in thresholds.AVERAGES_MS
            if tried
        ],
    }
