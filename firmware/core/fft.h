/* Power spectrum of 512 real samples in 16-bit fixed point.
 *
 * The arithmetic is that of `kws.fixed_fft`: radix-4 stages that scale by 1/4
 * with rounding, so that the transform is divided by its length, Q15 twiddles,
 * sums that wrap modulo 2^16. They do not wrap where every sample is below
 * 2^14 in magnitude. */
#ifndef ES_FFT_H
#define ES_FFT_H

#include <stdint.h>

#define ES_FFT_REAL 512
#define ES_FFT_BINS 257

/* re^2 + im^2 of bins 0 (DC) to 256 (Nyquist), each below 2^31. */
void es_fft_power(const int16_t signal[ES_FFT_REAL], uint32_t power[ES_FFT_BINS]);

#endif
