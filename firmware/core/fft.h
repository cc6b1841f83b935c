/* Power spectrum of 480 real samples and 32 zeros in 16-bit fixed point, in place.
 *
 * The arithmetic is that of `kws.fixed_fft`: radix-4 stages that scale by 1/4
 * with rounding, so that the transform is divided by its length, Q15 twiddles,
 * sums that wrap modulo 2^16. They do not wrap where every sample is below
 * 2^14 in magnitude. */
#ifndef ES_FFT_H
#define ES_FFT_H

#include <stdint.h>

#define ES_FFT_WORDS 256
#define ES_FFT_SIGNAL_WORDS 240 /* those with samples */

/* The word of bin k after the transform. */
extern const uint8_t es_fft_place[ES_FFT_WORDS];

/* Takes samples 2n in the low and 2n + 1 in the high half of word n, and their
 * shift to the left, which must lose no bits: 0 to 15; the words after the
 * samples may hold anything. Leaves re^2 + im^2 of
 * bins 0 (DC) to 255, each below 2^31, bin k in word es_fft_place[k].
 *
 * The samples must be tapered, their mean magnitude below 2^14: then no bin's
 * parts reach -32768, which has no negative in 16 bits. */
void es_fft_power(uint32_t words[ES_FFT_WORDS], int shift);

#endif
