"""Spoken words from a speech synthesiser, so that the main job runs without any recording.

espeak-ng has several English accents and about a hundred voice variants; together with pitch and rate they make
several hundred speakers. It is driven through its C interface (espeak-ng's ``speak_lib.h``) by ctypes: the library and
its data come with the PyPI package ``espeakng-loader``.
"""

from __future__ import annotations

import ctypes
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader
import numpy as np

from earshot.errors import EarshotError

# From speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
CHARACTERS_UTF8 = 1
PARAMETER_RATE = 1  # words a minute, 80 … 450, normal 175
PARAMETER_PITCH = 3  # 0 … 100, normal 50
PARAMETER_RANGE = 4  # 0 … 100, normal 50

ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc", "en-029")
NO_VOICE = ("whisper",)  # variants without voicing: their words are hard to tell for people, too

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Voice:
    """One synthetic speaker."""

    accent: str
    variant: str
    pitch: int
    rate: int

    @property
    def speaker(self) -> str:
        """Eight hex digits, in the manner of Speech Commands' file names."""
        return hashlib.sha1(f"{self.accent}+{self.variant}".encode(), usedforsecurity=False).hexdigest()[:8]


def voices(seed: int = 1) -> list[Voice]:
    """All voices, in an order that depends on `seed` alone."""
    variants = sorted(p.name for p in (Path(espeakng_loader.get_data_path()) / "voices" / "!v").iterdir())
    choice = random.Random(seed)  # noqa: S311 - a shuffle, not a secret
    everyone = [
        Voice(accent, variant, choice.randint(30, 70), choice.randint(130, 210))
        for accent in ACCENTS
        for variant in variants
        if not variant.startswith(NO_VOICE)
    ]
    choice.shuffle(everyone)
    return everyone


class Synthesiser:
    """espeak-ng, speaking into memory. One at a time in a process: the library keeps global state."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise EarshotError(
                f"espeak-ng's library does not load ({error}); drop real recordings: make demo CLIPS=DIR"
            ) from error
        self.sample_rate: int = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0
        )
        if self.sample_rate <= 0:
            raise EarshotError("espeak-ng finds no data beside its library; reinstall the package espeakng-loader")
        self._samples: list[np.ndarray] = []
        # Kept as an attribute: the library holds only a pointer to it.
        self._callback = _CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: ctypes._Pointer, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._samples.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0

    def say(self, word: str, voice: Voice, rate: int | None = None, pitch: int | None = None) -> np.ndarray:
        """The word as int16 samples (n,) at `sample_rate`, without leading and trailing silence."""
        name = f"{voice.accent}+{voice.variant}".encode()
        if self._library.espeak_SetVoiceByName(name) != 0:
            raise EarshotError(f"espeak-ng has no voice {name.decode()}")
        self._library.espeak_SetParameter(PARAMETER_RATE, rate or voice.rate, 0)
        self._library.espeak_SetParameter(PARAMETER_PITCH, pitch or voice.pitch, 0)
        self._samples = []
        text = word.encode() + b"\0"
        self._library.espeak_Synth(text, len(text), 0, 0, 0, CHARACTERS_UTF8, None, None)
        if not self._samples:
            raise EarshotError(f"espeak-ng said nothing for {word!r} with voice {name.decode()}")
        samples = np.concatenate(self._samples)
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 200)
        return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def takes(word: str, voice: Voice, count: int, synthesiser: Synthesiser, seed: int = 1) -> Iterator[np.ndarray]:
    """`count` one-second clips (int16, `sample_rate` samples each) of a word by one voice, each spoken differently."""
    length = synthesiser.sample_rate
    for take in range(count):
        choice = random.Random(f"{seed} {word} {voice.speaker} {take}")  # noqa: S311 - variety, not a secret
        rate = min(260, max(110, voice.rate + choice.randint(-25, 25)))
        spoken = synthesiser.say(word, voice, rate, min(90, max(10, voice.pitch + choice.randint(-8, 8))))[:length]
        clip = np.zeros(length, np.int16)
        start = choice.randint(0, length - len(spoken))
        level = choice.uniform(0.4, 1.0) * 20000 / max(1, int(np.abs(spoken.astype(np.int32)).max()))
        clip[start : start + len(spoken)] = np.clip(spoken * level, -32768, 32767)
        yield clip
