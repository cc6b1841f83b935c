"""Augmented copies of training clips: faster or slower, moved in time, louder or quieter, half of them in noise.

Every second copy comes with a second of what was heard before it: a board listens without a pause, and a front
end that remembers gives other features there than at the beginning of a recording.

Speed after T. Ko et al., "Audio Augmentation for Speech Recognition", Interspeech 2015: resampling moves
tempo and pitch together, which stands for speakers who are not in the recordings.

A copy depends on the seed, the clip's content and the copy's number alone, so neither the order of clips
nor their division over machines changes it.
"""

import numpy as np
import soxr

from kws import audio, noise

SHIFT_SAMPLES = audio.SAMPLE_RATE // 10
SPEED = (0.85, 1.15)
GAIN_DB = (-10.0, 6.0)
NOISE_SHARE = 0.5
SNR_DB = (5.0, 20.0)
# How far below a clip without noise the room is that was heard before it.
QUIET_DB = (25.0, 50.0)
# Below this power (about -78 dBFS) a clip holds no speech whose level noise could be set against.
_LEAST_POWER = 4.0


def copy_of(
    clip: audio.Samples, sha256: str, number: int, seed: int, recordings: list[noise.Recording]
) -> audio.Samples:
    """An augmented copy of a clip.

    Args:
        clip: int16 (16000,).
        sha256: of the clip's file.
        number: of the copy, from 1.
        seed: the run's seed.
        recordings: noise recordings, in an order that does not depend on the machine.

    Returns:
        int16 (16000,) for an odd number; for an even one int16 (32000,), the copy in the last second.
    """
    random = noise.generator("copy", seed, sha256, number)
    sped = _at_speed(clip, random.uniform(*SPEED))
    signal = _shifted(sped, int(random.integers(-SHIFT_SAMPLES, SHIFT_SAMPLES + 1))).astype(np.float64)
    level = np.sqrt(max(float(np.mean(signal**2)), _LEAST_POWER))
    noisy = random.random() < NOISE_SHARE
    level /= 10 ** (random.uniform(*(SNR_DB if noisy else QUIET_DB)) / 20)
    if noisy:
        signal += noise.training_window(recordings, random) * level
    if number % 2 == 0:
        signal = np.concatenate([noise.training_window(recordings, random) * level, signal])
    signal *= 10 ** (random.uniform(*GAIN_DB) / 20)
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)


def _at_speed(clip: audio.Samples, factor: float) -> audio.Samples:
    """The clip so many times as fast: its middle second, or all of it in the middle of zeros."""
    played = soxr.resample(clip.astype(np.float32), round(audio.SAMPLE_RATE * factor), audio.SAMPLE_RATE, "MQ")
    samples: audio.Samples = np.clip(np.rint(played), -32768, 32767).astype(np.int16)
    more = len(clip) - len(samples)
    if more <= 0:
        return samples[-more // 2 :][: len(clip)]
    return np.pad(samples, (more // 2, more - more // 2))


def _shifted(clip: audio.Samples, by: int) -> audio.Samples:
    """The clip later (positive) or earlier, zeros where nothing is known."""
    moved = np.zeros_like(clip)
    if by >= 0:
        moved[by:] = clip[: len(clip) - by]
    else:
        moved[:by] = clip[-by:]
    return moved
