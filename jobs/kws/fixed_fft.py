"""A 512-point FFT of real signals in 16-bit fixed point, over many frames at once.

The arithmetic is kiss_fft's with 16-bit samples, to the bit: radix-4 stages that scale by 1/4 with
rounding (so the transform is divided by its length), Q15 twiddles, sums that wrap modulo 2**16, then
the split of one complex transform into the spectrum of a real signal.

Frames are the last axis everywhere: a butterfly works on whole contiguous rows of frames.
"""

import numpy as np
import numpy.typing as npt

from kws import native

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]

REAL_POINTS = 512
COMPLEX_POINTS = REAL_POINTS // 2
BINS = COMPLEX_POINTS + 1
RADIX = 4

_Q15_ONE = 32767
_ROUND = np.int32(1 << 14)


def unit_circle(turns: npt.NDArray[np.float64]) -> Int32:
    """Points exp(-2πi·turns) in Q15.

    Args:
        turns: angles in turns, clockwise, shape (n,).

    Returns:
        int32 (n, 2): real and imaginary parts, rounded half up.
    """
    angle = -2.0 * np.pi * turns
    return np.floor(0.5 + _Q15_ONE * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype(np.int32)


def twiddles() -> Int32:
    """Q15 roots of unity of the complex transform, int32 (256, 2)."""
    return unit_circle(np.arange(COMPLEX_POINTS) / COMPLEX_POINTS)


def split_twiddles() -> Int32:
    """Q15 factors of the split into a real signal's spectrum, int32 (128, 2): row k-1 serves bin k."""
    half = COMPLEX_POINTS // 2
    return unit_circle((np.arange(1, half + 1) / COMPLEX_POINTS + 0.5) / 2)


def digit_reversal() -> npt.NDArray[np.int64]:
    """Where each input of the radix-4 transform comes from: base-4 digits of 0..255, reversed."""
    index = np.arange(COMPLEX_POINTS)
    reversed_index = np.zeros_like(index)
    for _ in range(4):
        reversed_index = reversed_index * RADIX + index % RADIX
        index = index // RADIX
    return reversed_index


def _shrink(values: npt.NDArray, factor: int) -> Int32:
    """Divides int16 values by `factor` (2 or 4) as a Q15 product with rounding, into int32."""
    scaled = values.astype(np.int32)
    scaled *= np.int32(_Q15_ONE // factor)
    scaled += _ROUND
    scaled >>= 15
    return scaled


def _rotate(real: Int32, imag: Int32, factor_real: Int32, factor_imag: Int32) -> tuple[Int32, Int32]:
    """Complex product with Q15 factors, rounded; not yet wrapped to 16 bits."""
    out_real = real * factor_real
    out_real -= imag * factor_imag
    out_real += _ROUND
    out_real >>= 15
    out_imag = real * factor_imag
    out_imag += imag * factor_real
    out_imag += _ROUND
    out_imag >>= 15
    return out_real, out_imag


_TWIDDLES = twiddles()
_SPLIT = split_twiddles()
_REVERSAL = digit_reversal()
# The transform as native.c takes it.
TABLES = (_REVERSAL.astype(np.int32), _TWIDDLES, _SPLIT)


def _stage_factors(size: int) -> tuple[Int32, Int32]:
    """Twiddles of the stage that joins four transforms of `size` points: two int32 (3, size, 1)."""
    index = np.outer([1, 2, 3], np.arange(size)) * (COMPLEX_POINTS // (RADIX * size))
    factors = _TWIDDLES[index]
    return factors[..., 0][..., None].copy(), factors[..., 1][..., None].copy()


_STAGES = [(size, *_stage_factors(size)) for size in (1, 4, 16, 64)]


def _butterflies(real: Int16, imag: Int16, size: int, factor_real: Int32, factor_imag: Int32) -> tuple[Int16, Int16]:
    """One radix-4 stage over (256, frames), in place of nothing: returns new int16 arrays."""
    shape = (COMPLEX_POINTS // (RADIX * size), RADIX, size, real.shape[1])
    xr = _shrink(real, RADIX).reshape(shape)
    xi = _shrink(imag, RADIX).reshape(shape)
    if size == 1:
        # The only factor is 32767/32768, which rounds back to the value itself below 2**14.
        rr, ri = xr[:, 1:], xi[:, 1:]
    else:
        rr, ri = _rotate(xr[:, 1:], xi[:, 1:], factor_real, factor_imag)
    even_r, even_i = xr[:, 0] + rr[:, 1], xi[:, 0] + ri[:, 1]
    odd_r, odd_i = xr[:, 0] - rr[:, 1], xi[:, 0] - ri[:, 1]
    sum_r, sum_i = rr[:, 0] + rr[:, 2], ri[:, 0] + ri[:, 2]
    dif_r, dif_i = rr[:, 0] - rr[:, 2], ri[:, 0] - ri[:, 2]
    # Assignment to int16 wraps, as the 16-bit sums of the original do.
    out_r = np.empty(shape, np.int16)
    out_i = np.empty(shape, np.int16)
    out_r[:, 0], out_i[:, 0] = even_r + sum_r, even_i + sum_i
    out_r[:, 1], out_i[:, 1] = odd_r + dif_i, odd_i - dif_r
    out_r[:, 2], out_i[:, 2] = even_r - sum_r, even_i - sum_i
    out_r[:, 3], out_i[:, 3] = odd_r - dif_i, odd_i + dif_r
    return out_r.reshape(real.shape), out_i.reshape(real.shape)


def power_spectrum(signal: Int16) -> Int32:
    """Squared magnitudes of the scaled spectrum of real frames.

    Args:
        signal: int16 (512, frames), one frame a column.

    Returns:
        int32 (257, frames): re² + im² of bins 0 (DC) to 256 (Nyquist); always below 2**31, because
        each part is the mean of two numbers smaller than 2**15.
    """
    if library := native.library():
        return library.power_spectrum(TABLES, signal)
    real, imag = signal[0::2][_REVERSAL], signal[1::2][_REVERSAL]
    for size, factor_real, factor_imag in _STAGES:
        real, imag = _butterflies(real, imag, size, factor_real, factor_imag)

    half = COMPLEX_POINTS // 2
    real_half, imag_half = _shrink(real, 2), _shrink(imag, 2)
    power = np.empty((BINS, signal.shape[1]), np.int32)
    for bin_, edge in ((0, real_half[0] + imag_half[0]), (COMPLEX_POINTS, real_half[0] - imag_half[0])):
        power[bin_] = edge.astype(np.int16).astype(np.int32) ** 2

    ahead_r, ahead_i = real_half[1 : half + 1], imag_half[1 : half + 1]
    # Column 256-k, conjugated, for k = 1 … 128. Negating before halving is what the original does,
    # and -(-32768) wraps there: 16-bit negation first.
    back_r = real_half[: half - 1 : -1]
    back_i = _shrink(-imag[: half - 1 : -1], 2)
    sum_r, sum_i = ahead_r + back_r, ahead_i + back_i
    turned_r, turned_i = _rotate(ahead_r - back_r, ahead_i - back_i, _SPLIT[:, :1].copy(), _SPLIT[:, 1:].copy())
    turned_r = turned_r.astype(np.int16).astype(np.int32)
    turned_i = turned_i.astype(np.int16).astype(np.int32)
    # Bin 128 is written twice by the original, the mirrored form last; so it is here.
    power[1 : half + 1] = ((sum_r + turned_r) >> 1) ** 2 + ((sum_i + turned_i) >> 1) ** 2
    power[COMPLEX_POINTS - 1 : half - 1 : -1] = ((sum_r - turned_r) >> 1) ** 2 + ((turned_i - sum_i) >> 1) ** 2
    return power
