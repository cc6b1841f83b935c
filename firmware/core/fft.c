#include "fft.h"

#include "dsp.h"
#include "fft_tables.h"

#if ES_FFT_COMPLEX != ES_FFT_WORDS || ES_FFT_TABLE_REAL != 2 * ES_FFT_WORDS
#error "fft_tables.h was generated for another transform than fft.h declares"
#endif

/* Complex numbers are words here: real part low, imaginary part high. */

static const int32_t half_q15 = 1 << 14;
static const int32_t half_q16 = 1 << 15;

/* Q15 factors of the scaling, doubled: their products then stand in a word's
 * upper half, (2 x f + 2^15) >> 16 being (x f + 2^14) >> 15. That of the split
 * has its negative in the high half. */
static const uint32_t quarter = 32767 / 4 * 2;
static const uint32_t half = 32767 / 2 * 2 | (uint32_t)(-(32767 / 2 * 2)) << 16;

/* x times the low half of a Q16 factor, rounded. */
static inline uint32_t scaled(uint32_t x, uint32_t factor)
{
    return es_pack_shifted(es_smlabb(x, factor, half_q16), es_smlatb(x, factor, half_q16), 16);
}

/* The same of x's conjugate; the factor's negative is in its high half. */
static inline uint32_t scaled_conjugate(uint32_t x, uint32_t factor)
{
    return es_pack_shifted(es_smlabb(x, factor, half_q16), es_smlatt(x, factor, half_q16), 16);
}

/* A Q15 product, rounded. */
static inline uint32_t times(uint32_t x, uint32_t twiddle)
{
    return es_pack_shifted(es_smlsd(x, twiddle, half_q15), es_smladx(x, twiddle, half_q15), 15);
}

/* Joins four transforms into one; their bins lie `leg` words apart. */
static inline void butterfly(uint32_t *x, unsigned leg, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t high = es_add16(a, c);
    const uint32_t low = es_subtract16(a, c);
    const uint32_t odd_sum = es_add16(b, d);
    const uint32_t odd_difference = es_subtract16(b, d);

    x[0] = es_add16(high, odd_sum);
    x[leg] = es_ssax(low, odd_difference);
    x[2 * leg] = es_subtract16(high, odd_sum);
    x[3 * leg] = es_sasx(low, odd_difference);
}

/* x shifted left and scaled, in one product with a Q17 factor of more than 16
 * bits: ((2 y >> 16) + 1) >> 1 is (y + 2^15) >> 16. */
static inline uint32_t shifted(uint32_t x, int32_t factor)
{
    return es_pack_shifted(es_smlawb(factor, x, 1), es_smlawt(factor, x, 1), 1);
}

static void first_stage(uint32_t *x, int shift)
{
    const int32_t factor = (int32_t)quarter << (shift + 1);
    const unsigned leg = ES_FFT_WORDS / 4;
    unsigned i;

    for (i = 0; i < ES_FFT_SIGNAL_WORDS - 3 * leg; i++, x++) {
        butterfly(x, leg, shifted(x[0], factor), shifted(x[leg], factor), shifted(x[2 * leg], factor),
                  shifted(x[3 * leg], factor));
    }
    for (; i < leg; i++, x++) {
        butterfly(x, leg, shifted(x[0], factor), shifted(x[leg], factor), shifted(x[2 * leg], factor), 0);
    }
}

/* A stage that joins transforms whose bins lie `leg` words apart. Inlined for
 * each leg, so that a butterfly needs one pointer. */
static inline __attribute__((always_inline)) void stage(uint32_t *x, unsigned leg)
{
    const uint32_t *const end = x + ES_FFT_WORDS;
    const uint32_t *twiddle = es_fft_twiddle;
    unsigned i;

    /* Block 0 has factors of 1, which leave values up to 2^14 as they are. */
    for (i = 0; i < leg; i++, x++) {
        butterfly(x, leg, scaled(x[0], quarter), scaled(x[leg], quarter), scaled(x[2 * leg], quarter),
                  scaled(x[3 * leg], quarter));
    }
    for (x += 3 * leg; x < end; x += 3 * leg) {
        const uint32_t w1 = *twiddle++;
        const uint32_t w2 = *twiddle++;
        const uint32_t w3 = *twiddle++;

        for (i = 0; i < leg; i++, x++) {
            butterfly(x, leg, scaled(x[0], quarter), times(scaled(x[leg], quarter), w1),
                      times(scaled(x[2 * leg], quarter), w2), times(scaled(x[3 * leg], quarter), w3));
        }
    }
}

/* 256-point transform in place, radix 4, decimation in time. Samples lie in
 * their order, so bins come to lie in digit-reversed order: a stage's blocks
 * follow each other, all butterflies of a block have the same twiddles, and
 * those of block b are the same in each stage. */
static void transform(uint32_t *words, int shift)
{
    first_stage(words, shift);
    stage(words, 16);
    stage(words, 4);
    stage(words, 1);
}

/* re^2 + im^2. */
static inline uint32_t power(uint32_t x)
{
    return (uint32_t)es_smuad(x, x);
}

/* |.|^2 of a real signal's spectrum, from the transform of its even samples as
 * real and odd samples as imaginary parts. */
static void split(uint32_t *x)
{
    const uint32_t first = scaled(x[0], half);
    const int32_t dc = (int16_t)(es_low16(first) + es_high16(first));
    const uint8_t *bin = es_fft_place + 1;
    const uint8_t *mirrored = es_fft_place + ES_FFT_WORDS - 1;
    const uint32_t *factor = es_fft_split;

    x[0] = (uint32_t)(dc * dc);
    for (; bin <= mirrored; bin++, mirrored--) {
        uint32_t *const at = x + *bin;
        uint32_t *const mirror = x + *mirrored;
        const uint32_t p = scaled(*at, half);
        const uint32_t q = scaled_conjugate(*mirror, half);
        const uint32_t even = es_add16(p, q);
        const uint32_t odd = times(es_subtract16(p, q), *factor++);

        *at = power(es_half_add16(even, odd));
        /* Bin 128 is its own mirror: this form of it counts. */
        *mirror = power(es_pack_low_high(es_half_subtract16(even, odd), es_half_subtract16(odd, even)));
    }
}

void es_fft_power(uint32_t words[ES_FFT_WORDS], int shift)
{
    transform(words, shift);
    split(words);
}
