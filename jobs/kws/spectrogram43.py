"""Front end `spectrogram43`: the power spectrum in 43 buckets, in integer arithmetic, over many clips at once.

The recipe is that of TensorFlow Lite Micro's first speech example: a periodic Hann window over 480 samples
of -1 to 1, zeros up to 512, the squared magnitudes of the Fourier transform's bins 0 to 255, the sum of
each six neighbours over six (the last bucket has four and is divided by six, too), times two, rounded,
at most 255. There it was float; here it is this, exactly:

    p[i] = x[i] · window[i]                  window in Q15, so |p| < 2**30
    r    = max(0, bits(max |p|) - 14)        the frame is scaled to 14 bits, with which no sum wraps in the
    s[i] = (p[i] + 2**(r-1)) >> r            transform (nothing is added where r is 0)
    e[k] = the power of bin k of fixed_fft's transform of s and 32 zeros, which is divided by 512
    n    = 42 - 2·r                          512² · 2**(2·r - 60), the unit of e, times two over six is 1/(3 · 2**n)
    f[b] = min(255, ((e[6b] + … + e[6b+5] + 3 · 2**(n-1)) >> n) / 3), cut off

A feature is stored as f - 128. Frames do not depend on each other.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kws import fixed_fft
from kws.windows import WindowStream

Int8 = npt.NDArray[np.int8]
Int16 = npt.NDArray[np.int16]
UInt8 = npt.NDArray[np.uint8]

WINDOW_BITS = 15
# What a frame is scaled to. A sample pair is then a complex number below 2**14 · √2 < 2**15.
FRAME_BITS = 14
# Right shift of a bucket's sum in a frame that was not scaled, without the division by three.
SUM_BITS = 2 * (15 + WINDOW_BITS) - 2 * (fixed_fft.REAL_POINTS.bit_length() - 1)

# Frames whose working set of 512 points stays in a core's second-level cache.
_FRAMES_AT_ONCE = 392


@dataclass(frozen=True)
class Spectrogram43Settings:
    """What the front end is; the id is a hash of these fields, so none may change its name."""

    bins_a_channel: int = 6
    channels: int = 43
    feature_max: float = 127.5
    fft_points: int = fixed_fft.REAL_POINTS
    frame_bits: int = FRAME_BITS
    frames: int = 49
    name: str = "spectrogram43"
    quantisation: str = "f-128"
    sample_rate: int = 16000
    step_ms: int = 20
    window: str = "periodic hann Q15"
    window_ms: int = 30

    @property
    def window_samples(self) -> int:
        """Samples in a window."""
        return self.window_ms * self.sample_rate // 1000

    @property
    def step_samples(self) -> int:
        """Samples from one window to the next."""
        return self.step_ms * self.sample_rate // 1000

    @cached_property
    def taper(self) -> Int16:
        """Periodic Hann window in Q15, rounded half up, at most 32767; int16 (window samples,)."""
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window_samples) / self.window_samples)
        return np.minimum(np.floor(hann * (1 << WINDOW_BITS) + 0.5), (1 << WINDOW_BITS) - 1).astype(np.int16)


SPECTROGRAM43 = Spectrogram43Settings()


def buckets(windows: Int16, settings: Spectrogram43Settings = SPECTROGRAM43) -> UInt8:
    """Averaged powers of windows.

    Args:
        windows: int16 (frames, window samples).
        settings: the front end's settings.

    Returns:
        uint8 (frames, channels).
    """
    answer = np.empty((len(windows), settings.channels), np.uint8)
    firsts = np.arange(0, fixed_fft.COMPLEX_POINTS, settings.bins_a_channel)
    for start in range(0, len(windows), _FRAMES_AT_ONCE):
        tapered = windows[start : start + _FRAMES_AT_ONCE].astype(np.int32) * settings.taper
        largest = np.abs(tapered).max(axis=1)
        shift = np.maximum(np.frexp(largest.astype(np.float64))[1] - FRAME_BITS, 0).astype(np.int32)
        tapered += ((1 << shift) >> 1)[:, None]
        tapered >>= shift[:, None]
        signal = np.zeros((fixed_fft.REAL_POINTS, len(tapered)), np.int16)
        signal[: settings.window_samples] = tapered.T
        # Below 6 · 2**28: the mean of 512 numbers below 2**14, squared.
        power = fixed_fft.power_spectrum(signal)[: fixed_fft.COMPLEX_POINTS]
        total = np.add.reduceat(power, firsts, axis=0, dtype=np.int64)
        down = (SUM_BITS - 2 * shift).astype(np.int64)
        answer[start : start + _FRAMES_AT_ONCE] = np.minimum(((total + (3 << (down - 1))) >> down) // 3, 255).T
    return answer


def quantise(features: UInt8) -> Int8:
    """Features as the model takes them: f - 128."""
    return (features ^ np.uint8(128)).view(np.int8)


class Spectrogram43Stream:
    """The front end fed piece by piece, one or more signals side by side.

    Args:
        signals: how many signals run side by side.
        settings: the front end's settings.
    """

    def __init__(self, signals: int = 1, settings: Spectrogram43Settings = SPECTROGRAM43) -> None:
        self._settings = settings
        self._windows = WindowStream(signals, settings.window_samples, settings.step_samples)

    def feed(self, samples: Int16) -> Int8:
        """Takes the next samples, gives the frames that they complete, as the model takes them.

        Args:
            samples: int16 (signals, any number).

        Returns:
            int8 (signals, frames, channels); frames may be 0.

        Raises:
            ValueError: the samples are not int16 of shape (signals, n).
        """
        settings = self._settings
        windows = self._windows.feed(samples)
        signals, frames, _ = windows.shape
        features = buckets(windows.reshape(-1, settings.window_samples), settings)
        return quantise(features).reshape(signals, frames, settings.channels)
