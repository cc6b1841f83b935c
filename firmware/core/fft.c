#include "fft.h"

#include "fft_tables.h"

#if ES_FFT_TABLE_REAL != ES_FFT_REAL || ES_FFT_COMPLEX * 2 != ES_FFT_REAL || ES_FFT_COMPLEX + 1 != ES_FFT_BINS
#error "fft_tables.h was generated for another transform than fft.h declares"
#endif

typedef struct {
    int16_t re;
    int16_t im;
} complex16;

/* Q15 product's rounding, kept to 16 bits as the reference stores it. */
static int16_t round_q15(int32_t x)
{
    return (int16_t)((x + (1 << 14)) >> 15);
}

/* Every transform stage first scales its inputs down by its radix. */
static complex16 scaled(complex16 x, int32_t factor)
{
    const complex16 y = {round_q15(x.re * factor), round_q15(x.im * factor)};

    return y;
}

static complex16 times(complex16 x, const int16_t *twiddle)
{
    const complex16 y = {round_q15(x.re * twiddle[0] - x.im * twiddle[1]),
                         round_q15(x.re * twiddle[1] + x.im * twiddle[0])};

    return y;
}

static complex16 sum(complex16 x, complex16 y)
{
    const complex16 z = {(int16_t)(x.re + y.re), (int16_t)(x.im + y.im)};

    return z;
}

static complex16 difference(complex16 x, complex16 y)
{
    const complex16 z = {(int16_t)(x.re - y.re), (int16_t)(x.im - y.im)};

    return z;
}

/* Joins four transforms, `m` apart, into one; a..d are its inputs. */
static void butterfly(complex16 *x, unsigned m, complex16 b, complex16 c, complex16 d)
{
    const complex16 low = difference(x[0], c);
    const complex16 high = sum(x[0], c);
    const complex16 odd_sum = sum(b, d);
    const complex16 odd_difference = difference(b, d);

    x[0] = sum(high, odd_sum);
    x[2 * m] = difference(high, odd_sum);
    x[m].re = (int16_t)(low.re + odd_difference.im);
    x[m].im = (int16_t)(low.im - odd_difference.re);
    x[3 * m].re = (int16_t)(low.re - odd_difference.im);
    x[3 * m].im = (int16_t)(low.im + odd_difference.re);
}

/* 256-point transform in place, radix 4, inputs in digit-reversed order. */
static void transform(complex16 *x)
{
    const int32_t quarter = 32767 / 4;
    unsigned m;
    unsigned j;
    unsigned start;

    for (m = 1; m < ES_FFT_COMPLEX; m *= 4) {
        const unsigned stride = ES_FFT_COMPLEX / (4 * m);

        for (j = 0; j < m; j++) {
            const int16_t *w1 = es_fft_twiddle + 2 * (j * stride);
            const int16_t *w2 = es_fft_twiddle + 2 * (2 * j * stride);
            const int16_t *w3 = es_fft_twiddle + 2 * (3 * j * stride);

            for (start = j; start < ES_FFT_COMPLEX; start += 4 * m) {
                complex16 *at = x + start;
                complex16 b = scaled(at[m], quarter);
                complex16 c = scaled(at[2 * m], quarter);
                complex16 d = scaled(at[3 * m], quarter);

                at[0] = scaled(at[0], quarter);
                if (j != 0) { /* a factor of 1 leaves values up to 2^14 as they are */
                    b = times(b, w1);
                    c = times(c, w2);
                    d = times(d, w3);
                }
                butterfly(at, m, b, c, d);
            }
        }
    }
}

static uint32_t square(int32_t re, int32_t im)
{
    return (uint32_t)(re * re) + (uint32_t)(im * im);
}

/* |.|^2 of a real signal's spectrum, from the transform of its even samples as
 * real and odd samples as imaginary parts. */
static void split(const complex16 *x, uint32_t *power)
{
    const int32_t half = 32767 / 2;
    const complex16 first = scaled(x[0], half);
    unsigned k;

    power[0] = square((int16_t)(first.re + first.im), 0);
    power[ES_FFT_COMPLEX] = square((int16_t)(first.re - first.im), 0);
    for (k = 1; k <= ES_FFT_COMPLEX / 2; k++) {
        const unsigned mirror = ES_FFT_COMPLEX - k;
        const complex16 conjugate = {x[mirror].re, (int16_t)-x[mirror].im};
        const complex16 p = scaled(x[k], half);
        const complex16 q = scaled(conjugate, half);
        const complex16 even = sum(p, q);
        const complex16 odd = times(difference(p, q), es_fft_split + 2 * (k - 1));

        power[k] = square((even.re + odd.re) >> 1, (even.im + odd.im) >> 1);
        power[mirror] = square((even.re - odd.re) >> 1, (odd.im - even.im) >> 1);
    }
}

void es_fft_power(const int16_t signal[ES_FFT_REAL], uint32_t power[ES_FFT_BINS])
{
    complex16 x[ES_FFT_COMPLEX];
    unsigned i;

    for (i = 0; i < ES_FFT_COMPLEX; i++) {
        x[i].re = signal[2u * es_fft_order[i]];
        x[i].im = signal[2u * es_fft_order[i] + 1];
    }
    transform(x);
    split(x, power);
}
