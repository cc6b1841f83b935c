"""Front end `micro`: TFLM's audio microfrontend in integer arithmetic, over many clips at once.

A frame goes through: Hann window (Q12) → block scaling to full 16-bit range → 512-point FFT → energy →
mel filter bank (triangles, Q12) → square root → noise reduction → PCAN gain control → logarithm. The
answers are those of the C library to the bit; the places where its arithmetic wraps or loses bits are
kept and named. Its settings are micro_speech's, with a step of 20 ms.

The tables are derived here once from the settings, in single precision where the C library computes in
single precision, so that a rounding at a half falls on the same side.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kws import fixed_fft, native
from kws.windows import WindowStream

Int8 = npt.NDArray[np.int8]
Int16 = npt.NDArray[np.int16]
UInt16 = npt.NDArray[np.uint16]
UInt32 = npt.NDArray[np.uint32]

WINDOW_BITS = 12
FILTER_BITS = 12
NOISE_BITS = 14
SNR_BITS = 12
PCAN_OUTPUT_BITS = 6
LOG_SEGMENTS_BITS = 7
LOG_SCALE_BITS = 16
# ln 2 in Q16, cut off.
LOG_COEFFICIENT = 45426

# Frames whose working set of 512 points stays in a core's second-level cache.
_FRAMES_AT_ONCE = 392


@dataclass(frozen=True)
class FilterBank:
    """Overlapping triangles on the mel scale, as one weight a bin and channel edge.

    Bin `first + i` lies between two centres: it gives `falling[i]` to the channel below and `rising[i]`
    to the one above. Band b (0 … channels) holds the bins `edges[b]` to `edges[b + 1]` and falls into
    channel b - 1, rises into channel b; what falls below channel 0 or rises above the last is dropped.

    Attributes:
        edges: int32 (channels + 2,), bins.
        rising: int16 (bins,) in Q12, towards the higher channel ("unweight" in the C library).
        falling: int16 (bins,) in Q12, towards the lower channel ("weight").
    """

    edges: npt.NDArray[np.int32]
    rising: Int16
    falling: Int16

    @property
    def first(self) -> int:
        """The first bin that counts (DC never does)."""
        return int(self.edges[0])

    @property
    def end(self) -> int:
        """One past the last bin that counts."""
        return int(self.edges[-1])


def msb(values: npt.NDArray) -> npt.NDArray[np.int64]:
    """Number of bits of each non-negative value: 0 of 0, 32 of 2**31. Exact below 2**53."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


@dataclass(frozen=True)
class MicroSettings:
    """What the front end is; the id is a hash of these fields, so none may change its name."""

    channels: int = 40
    frames: int = 49
    log_scale_shift: int = 6
    lower_hz: int = 125
    name: str = "micro"
    noise_even: float = 0.025
    noise_min_signal: float = 0.05
    noise_odd: float = 0.06
    noise_smoothing_bits: int = 10
    pcan_gain_bits: int = 21
    pcan_offset: int = 80
    pcan_strength: float = 0.95
    quantisation: str = "(f*256+333)/666-128"
    sample_rate: int = 16000
    step_ms: int = 20
    upper_hz: int = 7500
    window_ms: int = 30

    @property
    def window_samples(self) -> int:
        """Samples in a window."""
        return self.window_ms * self.sample_rate // 1000

    @property
    def step_samples(self) -> int:
        """Samples from one window to the next."""
        return self.step_ms * self.sample_rate // 1000

    @property
    def correction_bits(self) -> int:
        """What the FFT's scaling by its length leaves over the square root of the filter weights' scale."""
        return fixed_fft.REAL_POINTS.bit_length() - 1 - FILTER_BITS // 2

    @property
    def snr_shift(self) -> int:
        """Right shift of signal x gain to a ratio with SNR_BITS fractional bits."""
        return self.pcan_gain_bits - self.correction_bits - SNR_BITS

    @cached_property
    def window(self) -> Int16:
        """Hann window in Q12, sampled at half steps, int16 (window samples,)."""
        step = np.float32(np.float32(np.pi) * np.float32(2)) / np.float32(self.window_samples)
        angle = step * (np.arange(self.window_samples, dtype=np.float32) + np.float32(0.5))
        hann = np.float32(0.5) - np.float32(0.5) * np.cos(angle.astype(np.float64)).astype(np.float32)
        window: Int16 = np.floor(hann * np.float32(1 << WINDOW_BITS) + np.float32(0.5)).astype(np.int16)
        return window

    @cached_property
    def filter_bank(self) -> FilterBank:
        """Mel triangles between `lower_hz` and `upper_hz`."""
        single = np.float32

        def mel(hz: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            return single(1127) * np.log1p((hz / single(700)).astype(np.float64)).astype(single)

        low, high = mel(np.array([self.lower_hz, self.upper_hz], single))
        # The log1pf of fdlibm's family, with which the C library is tabulated everywhere, is one unit in
        # the last place above the rounded value at 7500 Hz; two weights hang on it. Said here rather
        # than left to whichever libm is installed, so that the tables are the same on every machine.
        high = np.nextafter(high, single(np.inf))
        spacing = (high - low) / single(self.channels + 1)
        centres = low + spacing * np.arange(1, self.channels + 2, dtype=single)
        hz_per_bin = single(0.5) * single(self.sample_rate) / single(fixed_fft.BINS - 1)
        bin_mel = mel(np.arange(fixed_fft.BINS, dtype=single) * hz_per_bin)
        first = int(single(1.5) + single(self.lower_hz) / hz_per_bin)
        edges = np.concatenate([[first], np.searchsorted(bin_mel, centres, side="right")])
        band = np.repeat(np.arange(self.channels + 1), np.diff(edges))
        below = np.concatenate([[low], centres[:-1]])
        falling = (centres[band] - bin_mel[first : edges[-1]]) / (centres[band] - below[band])
        one = single(1 << FILTER_BITS)
        return FilterBank(
            edges=edges.astype(np.int32),
            falling=np.floor(falling * one + single(0.5)).astype(np.int16),
            rising=np.floor((single(1) - falling) * one + single(0.5)).astype(np.int16),
        )

    @cached_property
    def noise_smoothing(self) -> npt.NDArray[np.uint64]:
        """Share of a new frame in the noise estimate by channel, Q14, cut off."""
        even, odd = (int(np.float32(s) * (1 << NOISE_BITS)) for s in (self.noise_even, self.noise_odd))
        return np.where(np.arange(self.channels) % 2 == 0, even, odd).astype(np.uint64)

    @cached_property
    def noise_floor(self) -> int:
        """Share of the signal that noise reduction always leaves, Q14, cut off."""
        return int(np.float32(self.noise_min_signal) * (1 << NOISE_BITS))

    def _gain(self, estimate: int) -> int:
        """PCAN's gain at a noise estimate: 2**gain_bits · (estimate + offset)**-strength, at most 32767."""
        single = np.float32
        level = single(estimate) / single(1 << (self.noise_smoothing_bits - self.correction_bits))
        power = single(np.float64(level + single(self.pcan_offset)) ** -np.float64(single(self.pcan_strength)))
        gain = single(1 << self.pcan_gain_bits) * power
        return 32767 if gain > 32767 else int(gain + single(0.5))

    @cached_property
    def gain_table(self) -> Int16:
        """PCAN's gain, quadratic between powers of two, int16 (125,).

        Entries 0 and 1 are the gains at 0 and 1. For an estimate of b ≥ 2 bits three coefficients
        stand at 4·b - 6: the gain at 2**(b-1), then the linear and the quadratic term (a fourth is
        unused).
        """
        table = np.zeros(4 * 32 - 3, np.int16)
        table[0], table[1] = self._gain(0), self._gain(1)
        for bits in range(2, 33):
            start = 1 << (bits - 1)
            end = 2 * start if bits < 32 else 2 * start - 1
            y0, y1, y2 = self._gain(start), self._gain(start + start // 2), self._gain(end)
            linear = 4 * (y1 - y0) - (y2 - y0)
            table[4 * bits - 6 : 4 * bits - 3] = y0, linear, y2 - y0 - linear
        return table

    @cached_property
    def log_table(self) -> UInt16:
        """What log2(1 + x) exceeds x by, Q16, at 128 steps of x from 0 to 1 and one step more."""
        x = np.arange((1 << LOG_SEGMENTS_BITS) + 1) / (1 << LOG_SEGMENTS_BITS)
        excess = np.floor((np.log2(1 + x) - x) * (1 << LOG_SCALE_BITS) + 0.5)
        return np.append(excess, 0).astype(np.uint16)


MICRO = MicroSettings()


def channel_levels(windows: Int16, settings: MicroSettings = MICRO) -> UInt32:
    """Filter-bank amplitudes of windows, before anything that remembers earlier frames.

    Args:
        windows: int16 (frames, window samples).
        settings: the front end's settings.

    Returns:
        uint32 (frames, channels).
    """
    bank = settings.filter_bank
    if library := native.library():
        weights = (bank.edges, bank.falling, bank.rising)
        return library.channel_levels(fixed_fft.TABLES, (settings.window, WINDOW_BITS), weights, windows)
    bands = bank.edges[:-1] - bank.first
    levels = np.empty((windows.shape[0], settings.channels), np.uint32)
    for start in range(0, windows.shape[0], _FRAMES_AT_ONCE):
        part = windows[start : start + _FRAMES_AT_ONCE].T
        tapered = ((part.astype(np.int32) * settings.window[:, None]) >> WINDOW_BITS).astype(np.int16)
        # -32768 has no 16-bit magnitude: negated, it stays negative and never is the largest.
        largest = np.maximum(np.abs(tapered).max(axis=0), 0)
        shift = 15 - msb(largest)
        signal = np.zeros((fixed_fft.REAL_POINTS, part.shape[1]), np.int16)
        signal[: settings.window_samples] = tapered.astype(np.int32) << shift.astype(np.int32)
        energy = fixed_fft.power_spectrum(signal)[bank.first : bank.end]
        wide = energy.astype(np.int64)
        falling = np.add.reduceat(wide * bank.falling[:, None], bands, axis=0)
        rising = np.add.reduceat(wide * bank.rising[:, None], bands, axis=0)
        total = falling[1:] + rising[:-1]
        # Below 2**12 · 2**31 · 64 = 2**49, where the root of a float64 still tells neighbours apart.
        root = np.sqrt(total).astype(np.int64)
        rounds_up = total - root * root > root
        # The C library computes roots of what fits 32 bits in 16, where the last one cannot round up.
        rounds_up &= (root != 0xFFFF) | (total >= 1 << 32)
        levels[start : start + _FRAMES_AT_ONCE] = ((root + rounds_up) >> shift).T
    return levels


def reduce_noise(levels: UInt32, estimate: UInt32, settings: MicroSettings = MICRO) -> tuple[UInt32, UInt32]:
    """The noise estimate after each frame, and the signal without it.

    Args:
        levels: uint32 (signals, frames, channels), amplitudes.
        estimate: uint32 (signals, channels), the noise before the first frame.
        settings: the front end's settings.

    Returns:
        The signal, never below the settings' share of `levels`, and the estimates, both of their shape.
    """
    up, fraction = np.uint32(settings.noise_smoothing_bits), np.uint64(NOISE_BITS)
    scaled = levels << up
    new = scaled * settings.noise_smoothing
    kept = np.uint64(1 << NOISE_BITS) - settings.noise_smoothing
    noise = np.empty_like(levels)
    latest = estimate.astype(np.uint64)
    for frame in range(levels.shape[1]):
        latest = (new[:, frame] + latest * kept) >> fraction
        noise[:, frame] = latest
    floor = ((levels * np.uint64(settings.noise_floor)) >> fraction).astype(np.uint32)
    return np.maximum((scaled - np.minimum(noise, scaled)) >> up, floor), noise


def control_gain(signal: UInt32, estimate: UInt32, settings: MicroSettings = MICRO) -> UInt32:
    """PCAN (per-channel amplitude normalisation): the signal over a power of its noise estimate."""
    table = settings.gain_table.astype(np.int32)
    share, bits = np.frexp(estimate.astype(np.float64))
    at = np.maximum(4 * bits - 6, 0).astype(np.intp)
    # The ten bits below the highest.
    fraction = (share * (1 << 11)).astype(np.int32) & 0x3FF
    curve = ((table[at + 2] * fraction) >> 5) + (table[at + 1] << 5)
    curve = ((curve * fraction + (1 << 14)) >> 15) + table[at]
    # Up to 2 the table holds the gain itself.
    gain = np.where(estimate <= 2, table[np.minimum(estimate, 2).astype(np.intp)], curve.astype(np.int16))
    ratio = ((signal * gain.astype(np.uint64)) >> np.uint64(settings.snr_shift)).astype(np.uint32)
    # Below a ratio of 2 a parabola that meets the line x - 1 smoothly.
    low = (ratio * ratio) >> np.uint32(2 + 2 * SNR_BITS - PCAN_OUTPUT_BITS)
    high = (ratio >> np.uint32(SNR_BITS - PCAN_OUTPUT_BITS)) - np.uint32(1 << PCAN_OUTPUT_BITS)
    return np.where(ratio < (2 << SNR_BITS), low, high).astype(np.uint32, copy=False)


def logarithm(signal: UInt32, settings: MicroSettings = MICRO) -> UInt16:
    """2**log_scale_shift times the natural logarithm, by a table of log2's excess over a chord."""
    value = signal << np.uint32(settings.correction_bits)
    share, bits = np.frexp(np.maximum(value, 1).astype(np.float64))
    # The value is 2**(bits - 1) times one and this, cut off.
    mantissa = (share * (2 << LOG_SCALE_BITS)).astype(np.int32) - (1 << LOG_SCALE_BITS)
    segment = (mantissa >> (LOG_SCALE_BITS - LOG_SEGMENTS_BITS)).astype(np.intp)
    table = settings.log_table.astype(np.int32)
    start = table[segment]
    inside = mantissa & ((1 << (LOG_SCALE_BITS - LOG_SEGMENTS_BITS)) - 1)
    excess = start + (((table[segment + 1] - start) * inside) >> LOG_SCALE_BITS)
    log2 = ((bits - 1) << LOG_SCALE_BITS) + mantissa + excess
    half = 1 << (LOG_SCALE_BITS - 1)
    natural = ((LOG_COEFFICIENT * log2.astype(np.int64) + half) >> LOG_SCALE_BITS).astype(np.int32)
    scaled = ((natural << settings.log_scale_shift) + half) >> LOG_SCALE_BITS
    return np.where(value > 1, np.minimum(scaled, 0xFFFF), 0).astype(np.uint16)


def quantise(features: UInt16) -> Int8:
    """Features as the model takes them: (256·f + 333) / 666 - 128, clamped to int8."""
    return np.clip((features.astype(np.int32) * 256 + 333) // 666 - 128, -128, 127).astype(np.int8)


class MicroStream:
    """The front end fed piece by piece, one or more signals side by side.

    Args:
        signals: how many signals run side by side.
        settings: the front end's settings.
    """

    def __init__(self, signals: int = 1, settings: MicroSettings = MICRO) -> None:
        self._settings = settings
        self._windows = WindowStream(signals, settings.window_samples, settings.step_samples)
        self._estimate = np.zeros((signals, settings.channels), np.uint32)

    def feed(self, samples: Int16) -> Int8:
        """Takes the next samples, gives the frames that they complete, as the model takes them.

        Args:
            samples: int16 (signals, any number).

        Returns:
            int8 (signals, frames, channels); frames may be 0.

        Raises:
            ValueError: the samples are not int16 of shape (signals, n).
        """
        return quantise(self.unquantised(samples))

    def unquantised(self, samples: Int16) -> UInt16:
        """The same as `feed`, but the C library's own values: uint16 (signals, frames, channels)."""
        settings = self._settings
        windows = self._windows.feed(samples)
        signals, frames, _ = windows.shape
        levels = channel_levels(windows.reshape(-1, settings.window_samples), settings)
        levels = levels.reshape(signals, frames, settings.channels)
        signal, noise = reduce_noise(levels, self._estimate, settings)
        self._estimate = noise[:, -1] if frames else self._estimate
        return logarithm(control_gain(signal, noise, settings), settings)
