"""Which clips the demonstration drops first, which later, and which it keeps for the board to hear.

The cut goes between speakers: nobody whom the board hears at the end was in anything dropped. Of real recordings
those are speakers by whom a model would be tested, so that none is lost to training.
"""

from __future__ import annotations

import hashlib
import math
import re
import shutil
import wave
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from earshot.clips import Drop, find
from earshot.errors import EarshotError
from earshot.synthesiser import Synthesiser, takes, voices

FIRST, SECOND, HELD = "first", "second", "held"
LABEL = re.compile(r"[a-z][a-z0-9_]*|_silence_")  # others are dropped, to end in quarantine
NOISE = "_background_noise_"

# Of all speakers those of the later drop; of the test split's those who are only heard by the board
SECOND_PERCENT = 25
HELD_SHARE_OF_TEST = 0.15
HEARD_AT_MOST = 400

# The synthesiser's share: voices a drop, takes of each keyword, other words each voice says
SYNTHETIC_VOICES = {FIRST: 240, SECOND: 120, HELD: 60}
KEYWORD_TAKES = 2
OTHER_WORDS = (
    "up",
    "down",
    "left",
    "right",
    "stop",
    "go",
    "on",
    "off",
    "bed",
    "cat",
    "happy",
    "house",
    "seven",
    "nine",
)
OTHERS_A_VOICE = 5


@dataclass
class Drops:
    """The clips of a demonstration.

    Attributes:
        first: Dropped at the beginning.
        second: Dropped when the first model is on the board.
        held: Never dropped: (path, label) for the board and the endpoint to hear.
    """

    first: list[Drop] = field(default_factory=list)
    second: list[Drop] = field(default_factory=list)
    held: list[tuple[Path, str]] = field(default_factory=list)


def speaker_of(path: Path) -> str:
    """The speaker by Speech Commands' file names; a file without one is a speaker of its own."""
    speaker, separator, _ = path.name.partition("_nohash_")
    return speaker if separator else hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def is_tested_by(speaker: str) -> bool:
    """Whether the speaker falls into the test split, by Speech Commands' rule (docs/contracts.md, 1)."""
    place = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % 2**27 * (100.0 / (2**27 - 1))  # noqa: S324 - the rule
    return 10 <= place < 20


def parts_of(speakers: set[str]) -> dict[str, str]:
    """The part that each speaker belongs to: the same in every demonstration with these speakers."""

    def chance(speaker: str) -> int:
        return int(hashlib.sha256(f"demo {speaker}".encode()).hexdigest(), 16)

    tested = sorted(filter(is_tested_by, speakers), key=chance)
    held = set(tested[: math.ceil(len(tested) * HELD_SHARE_OF_TEST)])
    return {
        speaker: HELD if speaker in held else SECOND if chance(speaker) % 100 < SECOND_PERCENT else FIRST
        for speaker in speakers
    }


def from_folder(directory: Path) -> Drops:
    """Real clips: `<label>/<anything>.wav` or `.flac`, noise recordings in `_background_noise_/`.

    Raises:
        EarshotError: Too few speakers to keep some away from training.
    """
    drops = Drops()
    held: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    found = {drop: speaker_of(drop.path) for drop in find(directory)}
    parts = parts_of({speaker for drop, speaker in found.items() if drop.key.split("/")[1] != NOISE})
    for drop, speaker in found.items():
        label = drop.key.split("/")[1]
        if label == NOISE:
            drops.first.append(drop)
            continue
        part = parts[speaker]
        if part == HELD and LABEL.fullmatch(label):
            held[label].append((drop.path, label))
        else:
            (drops.second if part == SECOND else drops.first).append(drop)
    drops.held = _sample(held)
    if not drops.second or not drops.held:
        raise EarshotError(
            f"{directory}: too few speakers to keep some away from training; some dozens of clips are needed"
        )
    return drops


def _sample(held: dict[str, list[tuple[Path, str]]]) -> list[tuple[Path, str]]:
    """At most HEARD_AT_MOST clips, each label with its share."""
    count = sum(len(clips) for clips in held.values())
    chosen = []
    for _, clips in sorted(held.items()):
        clips.sort(key=lambda clip: hashlib.sha256(clip[0].name.encode()).digest())
        chosen += clips[: max(1, round(len(clips) * min(1.0, HEARD_AT_MOST / count)))]
    return chosen


def synthesise(directory: Path, keywords: list[str], progress: Callable[[int, int], None]) -> Drops:
    """Spoken words by several hundred synthetic voices, and noise recordings.

    Args:
        directory: Where the clips are written; what an earlier demonstration left there is replaced.
        keywords: Words the model learns.
        progress: Called with voices done and voices in all.
    """
    shutil.rmtree(directory, ignore_errors=True)
    synthesiser = Synthesiser()
    drops = Drops(first=_noise(directory / NOISE))
    everyone = iter(voices())
    others = [word for word in OTHER_WORDS if word not in keywords]
    done, total = 0, sum(SYNTHETIC_VOICES.values())
    for part, count in SYNTHETIC_VOICES.items():
        for _ in range(count):
            voice = next(everyone)
            start = int(voice.speaker, 16)
            words = [(word, KEYWORD_TAKES) for word in keywords]
            words += [(others[(start + i) % len(others)], 1) for i in range(OTHERS_A_VOICE)]
            for word, repeats in words:
                for take, samples in enumerate(takes(word, voice, repeats, synthesiser)):
                    path = directory / part / word / f"{voice.speaker}_nohash_{take}.wav"
                    write_wav(path, samples, synthesiser.sample_rate)
                    if part == HELD:
                        drops.held.append((path, word))
                    else:
                        (drops.first if part == FIRST else drops.second).append(Drop(path, f"clips/{word}/{path.name}"))
            done += 1
            progress(done, total)
    return drops


def _noise(directory: Path, seconds: int = 12, rate: int = 16000, seed: int = 1) -> list[Drop]:
    """Noise of four colours and a hum: what a room without speech gives a microphone."""
    random = np.random.default_rng(seed)
    count = seconds * rate
    frequency = np.fft.rfftfreq(count, 1 / rate)
    white = np.fft.rfft(random.standard_normal(count))
    time = np.arange(count) / rate
    recordings = {
        "white": np.fft.irfft(white),
        "pink": np.fft.irfft(white / np.sqrt(np.maximum(frequency, 20))),
        "brown": np.fft.irfft(white / np.maximum(frequency, 20)),
        "fan": np.fft.irfft(white / (1 + (frequency / 400) ** 2)) * (1 + 0.3 * np.sin(2 * np.pi * 9 * time)),
        "hum": sum(np.sin(2 * np.pi * 50 * n * time) / n for n in (1, 2, 3, 5, 7))
        + 0.05 * random.standard_normal(count),
    }
    drops = []
    for name, samples in recordings.items():
        path = directory / f"{name}.wav"
        write_wav(path, np.asarray(samples / np.abs(samples).max() * 12000, np.int16), rate)
        drops.append(Drop(path, f"clips/{NOISE}/{path.name}"))
    return drops


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write int16 samples (n,) as a mono WAV file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
