"""Streams to be judged by: words spoken into background noise, with pauses, at several levels of noise.

A scene is one stream at one signal-to-noise ratio. Its words follow each other with pauses of 0.5 to 1 s; after
every eight of them there are three more seconds of background alone. The background runs through, each noise
recording 10 s in its turn. Without noise, words are as loud as they were recorded; with it, all are brought to
-26 dBFS and the noise is so much lower. Every clip is spoken once, in one of the scenes, so a stream is never
longer than the clips give; 96 words a scene, the most, are three and a half minutes.

The streams of a dataset depend on nothing but its recordings: two models of it hear the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kws import audio, noise
from kws.recordings import Word

# None: no background at all.
SNRS_DB = (None, 20.0, 10.0, 5.0)
# At most so many keywords and so many other words a scene. Four scenes of them are 14 minutes, 20,000
# inferences: some 10 s on two cores for a model of a million multiplications.
WORDS_A_SCENE = 48

# How long after a clip's end its word may still be reported: the window holds the word's end for so long.
LATENCY_MS = 500

_PAUSE_MS = (LATENCY_MS, 1000)
_WORDS_TO_REST, _REST_MS = 8, 3000
_NOISE_TURN = 10 * audio.SAMPLE_RATE
_SPEECH_RMS = 32768.0 * 10 ** (-26 / 20)
# A clip that holds next to nothing is not blown up to the loudness of speech.
_MOST_GAIN = 10.0
_FADE = audio.SAMPLE_RATE // 100


@dataclass(frozen=True)
class Spoken:
    """A word in a scene, from `start_ms` to `end_ms`; `label` is the model's class of it."""

    label: str
    start_ms: int
    end_ms: int
    is_keyword: bool


@dataclass(frozen=True)
class Scene:
    """A stream with what is said in it.

    Attributes:
        snr_db: power of speech over noise; None without noise.
        samples: int16 (n,).
        words: in their order; more than LATENCY_MS apart.
    """

    snr_db: float | None
    samples: audio.Samples
    words: tuple[Spoken, ...]

    @property
    def hours(self) -> float:
        """How long it lasts."""
        return len(self.samples) / audio.SAMPLE_RATE / 3600


def _samples(ms: float) -> int:
    return int(ms * audio.SAMPLE_RATE / 1000)


def background(parts: Sequence[noise.Signal], samples: int, random: np.random.Generator) -> noise.Signal:
    """Noise at unit power, float64 (samples,): parts in turn, each from a random place and looped."""
    order: list[int] = []
    pieces = []
    for start in range(0, samples, _NOISE_TURN):
        length = min(_NOISE_TURN, samples - start)
        if not parts:
            pieces.append(noise.generated(random, _NOISE_TURN)[:length])
            continue
        order = order or random.permutation(len(parts)).tolist()
        part = parts[order.pop()]
        first = int(random.integers(len(part)))
        pieces.append(np.take(part, np.arange(first, first + length), mode="wrap"))
    return np.concatenate([np.zeros(0), *pieces])


def _spoken(word: Word, snr_db: float | None) -> noise.Signal:
    """A word's signal at its level in the scene, softened at both ends."""
    signal = word.samples.astype(np.float64)
    if snr_db is not None:
        rms = np.sqrt(np.mean(signal**2))
        signal *= min(_SPEECH_RMS / rms, _MOST_GAIN) if rms else 0.0
    fade = min(_FADE, len(signal) // 2)
    ramp = np.arange(1, fade + 1) / (fade + 1)
    signal[:fade] *= ramp
    signal[len(signal) - fade :] *= ramp[::-1]
    return signal


def scene(
    words: Sequence[Word], snr_db: float | None, parts: Sequence[noise.Signal], random: np.random.Generator
) -> Scene:
    """Speaks words into noise.

    Args:
        words: in the order in which they are spoken.
        snr_db: how far the noise is below the words; None for no noise.
        parts: of noise recordings, at unit power; without any, noise is generated.
        random: of pauses and noise.
    """
    position = _samples(random.uniform(*_PAUSE_MS))
    starts = []
    for number, word in enumerate(words, 1):
        starts.append(position)
        position += len(word.samples) + _samples(random.uniform(*_PAUSE_MS))
        if number % _WORDS_TO_REST == 0:
            position += _samples(_REST_MS)
    # The last word, too, has its time to be reported.
    signal = np.zeros(position + 2 * _samples(LATENCY_MS))
    if snr_db is not None:
        signal += background(parts, len(signal), random) * (_SPEECH_RMS / 10 ** (snr_db / 20))
    spoken = []
    for start, word in zip(starts, words, strict=True):
        end = start + len(word.samples)
        signal[start:end] += _spoken(word, snr_db)
        start_ms, end_ms = (place * 1000 // audio.SAMPLE_RATE for place in (start, end))
        spoken.append(Spoken(word.label, start_ms, end_ms, word.is_keyword))
    return Scene(snr_db, np.clip(np.rint(signal), -32768, 32767).astype(np.int16), tuple(spoken))


def scenes(words: Sequence[Word], parts: Sequence[noise.Signal], name: str) -> list[Scene]:
    """Deals words to scenes, keywords and others alike, and speaks them.

    Args:
        words: each is spoken once.
        parts: of noise recordings, at unit power.
        name: of the streams, such as the split; all that is random hangs on it.

    Returns:
        A scene for each ratio, those without a word left out.
    """
    dealt: list[list[Word]] = [[] for _ in SNRS_DB]
    for group in ([w for w in words if w.is_keyword], [w for w in words if not w.is_keyword]):
        for index, word in enumerate(group):
            dealt[index % len(SNRS_DB)].append(word)
    made = []
    for snr_db, share in zip(SNRS_DB, dealt, strict=True):
        random = noise.generator("streaming", name, snr_db)
        order = random.permutation(len(share))
        if share:
            made.append(scene([share[i] for i in order], snr_db, parts, random))
    return made
