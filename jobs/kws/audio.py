"""Recordings to samples: WAV and FLAC of any rate, depth and channel count to 16 kHz mono int16.

What is already 16 kHz mono 16 bit passes through untouched. Errors say the file, the fault and what to
send instead, for they end where the clip's owner reads them.
"""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

Samples = npt.NDArray[np.int16]

SAMPLE_RATE = 16000
CLIP_SAMPLES = 16000
# Windows of a long clip start on multiples of a front end's step.
WINDOW_STEP = 320

_CONTAINERS = {"WAV", "WAVEX", "RF64", "FLAC"}
_ENCODINGS = {"PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"}
_LOWEST_RATE, _HIGHEST_RATE = 1000, 768_000
# About nine minutes of 48 kHz stereo: longer than any noise recording, small enough for a job's memory,
# whatever a header claims.
_MOST_VALUES = 50_000_000

REMEDY = "send PCM WAV or FLAC"


class AudioError(ValueError):
    """A recording that cannot be used; the message names file, fault and remedy."""


def decode(content: bytes, name: str) -> Samples:
    """Samples of a recording.

    Args:
        content: the file.
        name: what to call it in errors.

    Returns:
        int16 (n,), n ≥ 1, mono at 16 kHz; channels are averaged.

    Raises:
        AudioError: not WAV or FLAC, not decodable, empty, too long, or with values that are no numbers.
    """
    if not content:
        raise AudioError(f"{name}: the file is empty; {REMEDY}")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as source:
            _check_header(source, name)
            if (source.samplerate, source.channels, source.subtype) == (SAMPLE_RATE, 1, "PCM_16"):
                samples = source.read(dtype="int16")
                _check_length(len(samples), source.frames, name)
                return np.ascontiguousarray(samples, np.int16)
            values = source.read(dtype="float64", always_2d=True)
            _check_length(len(values), source.frames, name)
            rate = source.samplerate
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        detail = getattr(error, "error_string", str(error)).strip().rstrip(".")
        raise AudioError(f"{name}: cannot be decoded ({detail}); {REMEDY}") from error
    return _to_int16(_mono_16k(values, rate, name))


def read(path: Path, name: str | None = None) -> Samples:
    """Samples of a file; see `decode`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AudioError(f"{name or path}: cannot be read ({error.strerror}); check the file") from error
    return decode(content, name or str(path))


def _check_header(source: soundfile.SoundFile, name: str) -> None:
    what = f"{source.samplerate} Hz, {source.channels} channels, {source.subtype} in {source.format}"
    if source.format not in _CONTAINERS or source.subtype not in _ENCODINGS:
        raise AudioError(f"{name}: {what}; {REMEDY}")
    if not _LOWEST_RATE <= source.samplerate <= _HIGHEST_RATE:
        raise AudioError(f"{name}: {what}; send a rate between {_LOWEST_RATE} and {_HIGHEST_RATE} Hz")
    if source.frames * source.channels > _MOST_VALUES:
        seconds = source.frames / source.samplerate
        raise AudioError(f"{name}: its header says {seconds:.0f} s ({what}); cut it into shorter files")


def _check_length(got: int, promised: int, name: str) -> None:
    if got == 0:
        raise AudioError(f"{name}: holds no samples; record it again")
    if got < promised:
        raise AudioError(f"{name}: ends after {got} of {promised} samples; send the whole file")


def _mono_16k(values: npt.NDArray[np.float64], rate: int, name: str) -> npt.NDArray[np.float64]:
    if not np.isfinite(values).all():
        raise AudioError(f"{name}: has samples that are not numbers; export it as 16-bit PCM")
    # Beyond full scale a recording is clipped in the end; doing it first keeps the sums finite.
    mono: npt.NDArray[np.float64] = np.clip(values, -1.0, 1.0).mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
        if len(mono) == 0:
            raise AudioError(f"{name}: too short to resample from {rate} Hz; record it again")
    return mono


def _to_int16(values: npt.NDArray[np.float64]) -> Samples:
    return np.clip(np.rint(values * 32768.0), -32768, 32767).astype(np.int16)


def fit_second(samples: Samples) -> Samples:
    """One second of a recording.

    A shorter one gets zeros at its end. Of a longer one the window with the largest sum of squares is
    taken, among windows that start on multiples of 320 samples, the earliest on a tie.

    Args:
        samples: int16 (n,).

    Returns:
        int16 (16000,).
    """
    if len(samples) <= CLIP_SAMPLES:
        return np.pad(samples, (0, CLIP_SAMPLES - len(samples)))
    energy = np.concatenate([[0], np.cumsum(samples.astype(np.int64) ** 2)])
    starts = np.arange(0, len(samples) - CLIP_SAMPLES + 1, WINDOW_STEP)
    start = starts[np.argmax(energy[starts + CLIP_SAMPLES] - energy[starts])]
    return samples[start : start + CLIP_SAMPLES]
