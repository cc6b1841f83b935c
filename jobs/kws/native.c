/* What takes longest in the front ends, on 16 frames at once: the same integer arithmetic as
 * fixed_fft.power_spectrum and micro.channel_levels, with the tables that those hand over: `reversal`
 * says where each input of the transform comes from, `twiddles` and `split` are pairs in Q15.
 *
 * A vector holds one number of each of 16 frames; gcc and clang make of it what the machine has. Sums of
 * 16-bit numbers wrap modulo 2^16, which narrowing to 16 bits does. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 16, REAL = 512, COMPLEX = REAL / 2, HALF = COMPLEX / 2, BINS = COMPLEX + 1 };

typedef int16_t narrow __attribute__((vector_size(LANES * 2)));
typedef int32_t lanes __attribute__((vector_size(LANES * 4)));
typedef int64_t wide __attribute__((vector_size(LANES * 8)));

#define NARROW(x) __builtin_convertvector(x, narrow)
#define LANES_OF(x) __builtin_convertvector(x, lanes)
#define WIDE(x) __builtin_convertvector(x, wide)

typedef struct {
    narrow re[COMPLEX];
    narrow im[COMPLEX];
} spectrum;

static inline lanes rounded(lanes product)
{
    return (product + (1 << 14)) >> 15;
}

/* 16-bit values divided by 2 or 4, as a product in Q15. */
static inline lanes shrunk(narrow values, int32_t factor)
{
    return rounded(LANES_OF(values) * (32767 / factor));
}

/* Joins four transforms, `size` apart. */
static inline void butterfly(narrow *re, narrow *im, int size, const int32_t *const factors[4])
{
    const lanes ar = shrunk(re[0], 4), ai = shrunk(im[0], 4);
    lanes r[4], i[4];

    for (int leg = 1; leg < 4; leg++) {
        const int32_t *factor = factors[leg];
        const lanes in_r = shrunk(re[leg * size], 4), in_i = shrunk(im[leg * size], 4);

        r[leg] = rounded(in_r * factor[0] - in_i * factor[1]);
        i[leg] = rounded(in_r * factor[1] + in_i * factor[0]);
    }
    re[0] = NARROW(ar + r[2] + (r[1] + r[3]));
    im[0] = NARROW(ai + i[2] + (i[1] + i[3]));
    re[size] = NARROW(ar - r[2] + (i[1] - i[3]));
    im[size] = NARROW(ai - i[2] - (r[1] - r[3]));
    re[2 * size] = NARROW(ar + r[2] - (r[1] + r[3]));
    im[2 * size] = NARROW(ai + i[2] - (i[1] + i[3]));
    re[3 * size] = NARROW(ar - r[2] - (i[1] - i[3]));
    im[3 * size] = NARROW(ai - i[2] + (r[1] - r[3]));
}

static void transform(spectrum *x, const int32_t *twiddles)
{
    for (int size = 1; size < COMPLEX; size *= 4) {
        const int stride = COMPLEX / (4 * size);

        for (int j = 0; j < size; j++) {
            const int32_t *w = twiddles, *factors[4];

            for (int leg = 0; leg < 4; leg++, w += 2 * j * stride) {
                factors[leg] = w;
            }
            for (int at = j; at < COMPLEX; at += 4 * size) {
                butterfly(x->re + at, x->im + at, size, factors);
            }
        }
    }
}

/* The real signal's power from the transform of its even and odd samples. */
static void power_of(const spectrum *x, const int32_t *split, lanes power[BINS])
{
    const lanes re = shrunk(x->re[0], 2), im = shrunk(x->im[0], 2);
    const lanes first = LANES_OF(NARROW(re + im)), last = LANES_OF(NARROW(re - im));

    power[0] = first * first;
    power[COMPLEX] = last * last;
    for (int k = 1; k <= HALF; k++) {
        const int32_t *factor = split + 2 * (k - 1);
        const lanes ahead_r = shrunk(x->re[k], 2), ahead_i = shrunk(x->im[k], 2);
        const lanes back_r = shrunk(x->re[COMPLEX - k], 2), back_i = shrunk(-x->im[COMPLEX - k], 2);
        const lanes sum_r = ahead_r + back_r, sum_i = ahead_i + back_i;
        const lanes dif_r = ahead_r - back_r, dif_i = ahead_i - back_i;
        const lanes turned_r = LANES_OF(NARROW(rounded(dif_r * factor[0] - dif_i * factor[1])));
        const lanes turned_i = LANES_OF(NARROW(rounded(dif_r * factor[1] + dif_i * factor[0])));
        const lanes at_r = (sum_r + turned_r) >> 1, at_i = (sum_i + turned_i) >> 1;
        const lanes mirror_r = (sum_r - turned_r) >> 1, mirror_i = (turned_i - sum_i) >> 1;

        power[k] = at_r * at_r + at_i * at_i;
        power[COMPLEX - k] = mirror_r * mirror_r + mirror_i * mirror_i;
    }
}

/* int16 signal (REAL, frames) to int32 power (BINS, frames). */
void kws_power_spectrum(const int32_t *reversal, const int32_t *twiddles, const int32_t *split,
                        const int16_t *signal, int64_t frames, int32_t *power)
{
    for (int64_t start = 0; start < frames; start += LANES) {
        const size_t count = (size_t)(frames - start < LANES ? frames - start : LANES);
        spectrum x = {0};
        lanes block[BINS];

        for (int i = 0; i < COMPLEX; i++) {
            const int16_t *even = signal + 2 * reversal[i] * frames + start;

            memcpy(x.re + i, even, count * sizeof *even);
            memcpy(x.im + i, even + frames, count * sizeof *even);
        }
        transform(&x, twiddles);
        power_of(&x, split, block);
        for (int bin = 0; bin < BINS; bin++) {
            memcpy(power + bin * frames + start, block + bin, count * sizeof *power);
        }
    }
}

/* A window of `samples`, tapered by `window` with `bits` fraction bits, into its lane, scaled up as far as
 * 16 bits allow. Answers the shift. */
static int load(const int16_t *from, const int16_t *window, int samples, int bits, const int32_t *reversal,
                spectrum *x, int lane)
{
    int16_t tapered[REAL] = {0};
    int16_t largest = 0;
    int shift = 15;

    for (int i = 0; i < samples; i++) {
        const int16_t value = (int16_t)((from[i] * window[i]) >> bits);
        const int16_t magnitude = (int16_t)(value < 0 ? -value : value); /* -32768 stays negative */

        tapered[i] = value;
        largest = magnitude > largest ? magnitude : largest;
    }
    for (; largest > 0; largest >>= 1) {
        shift--;
    }
    for (int i = 0; i < COMPLEX; i++) {
        x->re[i][lane] = (int16_t)(tapered[2 * reversal[i]] * (1 << shift));
        x->im[i][lane] = (int16_t)(tapered[2 * reversal[i] + 1] * (1 << shift));
    }
    return shift;
}

/* Rounded square root; of what fits 32 bits it is computed in 16, where 65535 cannot round up. Sums stay
 * below 2^49, where a double tells neighbours apart. */
static inline uint32_t root_of(int64_t total)
{
    const int64_t root = (int64_t)sqrt((double)total);

    return (uint32_t)(root + (total - root * root > root && (root != 0xFFFF || total >= (int64_t)1 << 32)));
}

/* int16 windows (frames, samples) to uint32 levels (frames, channels). `edges` are channels + 2 bins; `falling`
 * and `rising` hold the weights of the bins from edges[0] on. */
void kws_channel_levels(const int32_t *reversal, const int32_t *twiddles, const int32_t *split,
                        const int16_t *window, int32_t samples, int32_t bits, const int32_t *edges,
                        int32_t channels, const int16_t *falling, const int16_t *rising, const int16_t *windows,
                        int64_t frames, uint32_t *levels)
{
    for (int64_t start = 0; start < frames; start += LANES) {
        const int count = (int)(frames - start < LANES ? frames - start : LANES);
        int shift[LANES];
        spectrum x = {0};
        lanes power[BINS];
        wide carried = {0};

        for (int lane = 0; lane < count; lane++) {
            shift[lane] = load(windows + (start + lane) * samples, window, samples, bits, reversal, &x, lane);
        }
        transform(&x, twiddles);
        power_of(&x, split, power);
        for (int band = 0; band <= channels; band++) {
            wide down = carried, up = {0};

            for (int bin = edges[band]; bin < edges[band + 1]; bin++) {
                down += WIDE(power[bin]) * falling[bin - edges[0]];
                up += WIDE(power[bin]) * rising[bin - edges[0]];
            }
            carried = up;
            for (int lane = 0; band > 0 && lane < count; lane++) {
                levels[(start + lane) * channels + band - 1] = root_of(down[lane]) >> shift[lane];
            }
        }
    }
}
