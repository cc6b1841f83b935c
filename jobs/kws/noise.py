"""Background noise: what is mixed into training clips, and what teaches a model silence.

Recordings come at any level, so each is brought to unit power and then played at a level that is chosen.
A recording that is long enough is divided by position (first 80 % training, then validation, then test),
so that no split hears another's noise; a shorter one belongs to one split as a whole. Without recordings
noise is generated.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kws import audio
from kws.splits import SPLITS, TRAIN

# What the names of generated clips start with, in place of a sha256.
GENERATED = "generated-"

Signal = npt.NDArray[np.float64]

# Share of a recording where each split ends.
_BORDERS = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
# Shortest recording in which a tenth still is a clip.
_DIVISIBLE = 10 * audio.CLIP_SAMPLES
_SILENCE_DBFS = (-60.0, -12.0)
# A muted microphone gives plain zeros.
_MUTED_SHARE = 0.05
_WINDOWS_A_SECOND = 3
_FEWEST_WINDOWS, _MOST_WINDOWS = 10, 300
_QUIETEST = 1e-9


def generator(*parts: object) -> np.random.Generator:
    """A random generator that depends on nothing but these values, in this order."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


@dataclass(frozen=True)
class Recording:
    """A noise recording at unit power.

    Attributes:
        sha256: of the file.
        split: of the whole recording, where it is too short to be divided.
        signal: float64 (n,), n ≥ 16000.
    """

    sha256: str
    split: str
    signal: Signal

    @classmethod
    def of(cls, samples: audio.Samples, sha256: str, split: str) -> "Recording":
        """Brings samples (int16, any length from 1) to unit power; one below a second is repeated."""
        signal = samples.astype(np.float64)
        signal -= signal.mean()
        power = np.sqrt(np.mean(signal**2))
        signal = signal / power if power > _QUIETEST else np.zeros_like(signal)
        repeats = -(-audio.CLIP_SAMPLES // len(signal))
        return cls(sha256, split, np.tile(signal, repeats) if repeats > 1 else signal)

    @property
    def divided(self) -> bool:
        """Whether each split has a part of its own."""
        return len(self.signal) >= _DIVISIBLE

    def part(self, split: str) -> Signal | None:
        """What the split may hear, float64 (n,), n ≥ 16000; None when it has no part."""
        if not self.divided:
            return self.signal if split == self.split else None
        start, end = (int(border * len(self.signal)) for border in _BORDERS[split])
        return self.signal[start:end]

    def window(self, split: str, random: np.random.Generator) -> Signal | None:
        """A second from the split's part, float64 (16000,); None when the split has no part."""
        part = self.part(split)
        if part is None:
            return None
        first = int(random.integers(0, len(part) - audio.CLIP_SAMPLES + 1))
        return part[first : first + audio.CLIP_SAMPLES]


def generated(random: np.random.Generator, samples: int = audio.CLIP_SAMPLES) -> Signal:
    """Noise at unit power with a power spectrum of 1/f^a, a between 0 (white) and 2 (brown)."""
    spectrum = np.fft.rfft(random.standard_normal(samples))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-random.uniform(0.0, 2.0) / 2)
    spectrum[0] = 0
    signal = np.fft.irfft(spectrum, samples)
    return np.asarray(signal / np.sqrt(np.mean(signal**2)), np.float64)


def training_window(recordings: list[Recording], random: np.random.Generator) -> Signal:
    """A second of noise that training may hear: of a recording, or generated where there is none."""
    for index in random.permutation(len(recordings)):
        window = recordings[int(index)].window(TRAIN, random)
        if window is not None:
            return window
    return generated(random)


def _at_random_level(signal: Signal, random: np.random.Generator) -> audio.Samples:
    level = 32768.0 * 10 ** (random.uniform(*_SILENCE_DBFS) / 20)
    if random.random() < _MUTED_SHARE:
        level = 0.0
    return np.clip(np.rint(signal * level), -32768, 32767).astype(np.int16)


def silence_of(recording: Recording, seed: int) -> Iterable[tuple[str, audio.Samples]]:
    """Silent clips cut from a recording, at random places and levels.

    Yields:
        The split and int16 (16000,). Each split gets its share of three windows a second, at least one.
    """
    seconds = len(recording.signal) / audio.SAMPLE_RATE
    windows = int(np.clip(_WINDOWS_A_SECOND * seconds, _FEWEST_WINDOWS, _MOST_WINDOWS))
    for split in SPLITS:
        start, end = _BORDERS[split] if recording.divided else (0.0, 1.0)
        for number in range(max(1, round(windows * (end - start)))):
            random = generator("silence", seed, recording.sha256, split, number)
            window = recording.window(split, random)
            if window is not None:
                yield split, _at_random_level(window, random)


def silence_generated(run: str, count: int, seed: int) -> Iterable[tuple[str, str, audio.Samples]]:
    """Silent clips for a dataset without noise recordings.

    Args:
        run: the run's id.
        count: how many.
        seed: the run's seed.

    Yields:
        A name that stands for a clip's sha256, the split (8 : 1 : 1) and int16 (16000,).
    """
    for number in range(count):
        random = generator("generated silence", seed, run, number)
        split = {8: "validation", 9: "test"}.get(number % 10, TRAIN)
        yield f"{GENERATED}{run}-{number:04d}", split, _at_random_level(generated(random), random)
