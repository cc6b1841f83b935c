#include "micro.h"

#include <string.h>

#include "frontend_tables.h"

#if ES_FE_WINDOW != ES_MICRO_WINDOW || ES_FE_STEP != ES_MICRO_STEP || ES_FE_CHANNELS != ES_MICRO_CHANNELS || \
    ES_FE_FRAMES != ES_MICRO_FRAMES || ES_FE_CLIP_SAMPLES != ES_MICRO_CLIP_SAMPLES ||                         \
    ES_FE_SAMPLE_RATE != ES_MICRO_SAMPLE_RATE
#error "frontend_tables.h was generated for other settings than micro.h declares"
#endif

typedef struct {
    int16_t re;
    int16_t im;
} complex16;

/* Number of bits up to and including the highest set one; 0 for 0. */
static int bit_length(uint32_t x)
{
    return x == 0 ? 0 : 32 - __builtin_clz(x);
}

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

    for (m = 1; m < ES_FE_FFT_COMPLEX; m *= 4) {
        const unsigned stride = ES_FE_FFT_COMPLEX / (4 * m);

        for (j = 0; j < m; j++) {
            const int16_t *w1 = es_fe_twiddle + 2 * (j * stride);
            const int16_t *w2 = es_fe_twiddle + 2 * (2 * j * stride);
            const int16_t *w3 = es_fe_twiddle + 2 * (3 * j * stride);

            for (start = j; start < ES_FE_FFT_COMPLEX; start += 4 * m) {
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

/* |.|^2 of the bins that count of a real signal's spectrum, from the transform
 * of its even samples as real and odd samples as imaginary parts. */
static void power_spectrum(const complex16 *x, int32_t *energy)
{
    const int32_t half = 32767 / 2;
    unsigned k;

    for (k = ES_FE_BIN_FIRST; k <= ES_FE_FFT_COMPLEX / 2; k++) {
        const unsigned mirror = ES_FE_FFT_COMPLEX - k;
        const complex16 conjugate = {x[mirror].re, (int16_t)-x[mirror].im};
        const complex16 p = scaled(x[k], half);
        const complex16 q = scaled(conjugate, half);
        const complex16 even = sum(p, q);
        const complex16 odd = times(difference(p, q), es_fe_split + 2 * (k - 1));
        int32_t re = (even.re + odd.re) >> 1;
        int32_t im = (even.im + odd.im) >> 1;

        energy[k] = (int32_t)((uint32_t)(re * re) + (uint32_t)(im * im));
        if (mirror < ES_FE_BIN_END) {
            re = (even.re - odd.re) >> 1;
            im = (odd.im - even.im) >> 1;
            energy[mirror] = (int32_t)((uint32_t)(re * re) + (uint32_t)(im * im));
        }
    }
}

/* Square root, rounded; where the sum fits 32 bits the reference computes the
 * root in 16, and 65535 is not rounded up. */
static uint32_t rounded_root(uint64_t x)
{
    const uint32_t top = (x >> 32) == 0 ? 0xFFFF : UINT32_MAX;
    uint64_t root = 0;
    uint64_t bit;

    if (x == 0) {
        return 0;
    }
    bit = (uint64_t)1 << ((63 - __builtin_clzll(x)) & ~1);
    while (bit != 0) {
        if (x >= root + bit) {
            x -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
        bit >>= 2;
    }
    return (uint32_t)(x > root && root != top ? root + 1 : root);
}

/* Each band's energy falls into the channel below and rises into the one above. */
static void filter_bank(const int32_t *energy, int shift, uint32_t level[ES_MICRO_CHANNELS])
{
    uint64_t carried = 0;
    unsigned band;

    for (band = 0; band <= ES_FE_CHANNELS; band++) {
        uint64_t falling = carried;
        uint64_t rising = 0;
        unsigned bin;

        for (bin = es_fe_band[band]; bin < es_fe_band[band + 1]; bin++) {
            falling += (uint64_t)((int64_t)energy[bin] * es_fe_falling[bin - ES_FE_BIN_FIRST]);
            rising += (uint64_t)((int64_t)energy[bin] * es_fe_rising[bin - ES_FE_BIN_FIRST]);
        }
        if (band > 0) {
            level[band - 1] = rounded_root(falling) >> shift;
        }
        carried = rising;
    }
}

/* The signal above its running noise estimate, never below a share of itself. */
static uint32_t reduce_noise(uint32_t level, uint32_t smoothing, uint32_t *noise)
{
    const uint32_t up = level << ES_FE_NOISE_SMOOTHING_BITS;
    const uint32_t estimate = (uint32_t)(((uint64_t)up * smoothing +
                                          (uint64_t)*noise * ((1u << ES_FE_NOISE_BITS) - smoothing)) >>
                                         ES_FE_NOISE_BITS);
    const uint32_t floor = (uint32_t)(((uint64_t)level * ES_FE_NOISE_FLOOR) >> ES_FE_NOISE_BITS);
    const uint32_t above = (up - (estimate > up ? up : estimate)) >> ES_FE_NOISE_SMOOTHING_BITS;

    *noise = estimate;
    return above > floor ? above : floor;
}

/* PCAN's gain at a noise estimate: a quadratic between powers of two. */
static uint32_t gain_at(uint32_t noise)
{
    int bits;
    const int16_t *c;
    int32_t fraction;
    int32_t curve;

    if (noise <= 2) {
        return (uint32_t)es_fe_gain[noise];
    }
    bits = bit_length(noise);
    c = es_fe_gain + 4 * bits - 6;
    fraction = (int32_t)((bits < 11 ? noise << (11 - bits) : noise >> (bits - 11)) & 0x3FF);
    curve = ((c[2] * fraction) >> 5) + c[1] * 32;
    curve = ((curve * fraction + (1 << 14)) >> 15) + c[0];
    return (uint32_t)(int16_t)curve;
}

static uint32_t control_gain(uint32_t signal, uint32_t noise)
{
    const uint32_t ratio = (uint32_t)(((uint64_t)signal * gain_at(noise)) >> ES_FE_PCAN_SNR_SHIFT);

    /* Below a ratio of 2 a parabola that meets the line x - 1 smoothly. */
    if (ratio < (2u << ES_FE_PCAN_SNR_BITS)) {
        return (ratio * ratio) >> (2 + 2 * ES_FE_PCAN_SNR_BITS - ES_FE_PCAN_OUTPUT_BITS);
    }
    return (ratio >> (ES_FE_PCAN_SNR_BITS - ES_FE_PCAN_OUTPUT_BITS)) - (1u << ES_FE_PCAN_OUTPUT_BITS);
}

/* Natural logarithm scaled by 2^ES_FE_LOG_SCALE_SHIFT, limited to 16 bits. */
static uint32_t logarithm(uint32_t signal)
{
    const uint32_t round = 1u << (ES_FE_LOG_SCALE_BITS - 1);
    const int segment_bits = ES_FE_LOG_SCALE_BITS - ES_FE_LOG_SEGMENTS_BITS;
    const uint32_t x = signal << ES_FE_CORRECTION_BITS;
    int whole;
    int32_t mantissa;
    int32_t segment;
    int32_t step;
    uint32_t log2;
    uint32_t natural;
    uint32_t result;

    if (x <= 1) {
        return 0;
    }
    whole = bit_length(x) - 1;
    mantissa = (int32_t)(x - (1u << whole));
    mantissa = whole < ES_FE_LOG_SCALE_BITS ? mantissa << (ES_FE_LOG_SCALE_BITS - whole)
                                            : mantissa >> (whole - ES_FE_LOG_SCALE_BITS);
    segment = mantissa >> segment_bits;
    step = es_fe_log[segment + 1] - es_fe_log[segment];
    log2 = ((uint32_t)whole << ES_FE_LOG_SCALE_BITS) + (uint32_t)(mantissa + es_fe_log[segment]) +
           (uint32_t)((step * (mantissa - (segment << segment_bits))) >> ES_FE_LOG_SCALE_BITS);
    natural = (uint32_t)(((uint64_t)ES_FE_LOG_COEFFICIENT * log2 + round) >> ES_FE_LOG_SCALE_BITS);
    result = ((natural << ES_FE_LOG_SCALE_SHIFT) + round) >> ES_FE_LOG_SCALE_BITS;
    return result < UINT16_MAX ? result : UINT16_MAX;
}

static int8_t quantised(uint32_t feature)
{
    const int32_t value = (int32_t)((feature * 256 + 333) / 666) - 128;

    return (int8_t)(value > 127 ? 127 : value);
}

/* Tapers the window and scales it up as far as 16 bits allow, into the
 * transform's order; answers the shift. */
static int load_window(const int16_t *window, complex16 *x)
{
    int16_t tapered[ES_FE_FFT_REAL] = {0};
    int16_t largest = 0;
    int shift;
    unsigned i;

    for (i = 0; i < ES_FE_WINDOW; i++) {
        const int16_t value = (int16_t)((window[i] * es_fe_window[i]) >> ES_FE_WINDOW_BITS);
        /* -32768 stays negative here, as in the reference: it is never the largest. */
        const int16_t magnitude = (int16_t)(value < 0 ? -value : value);

        tapered[i] = value;
        largest = magnitude > largest ? magnitude : largest;
    }
    shift = 15 - bit_length((uint32_t)largest);
    for (i = 0; i < ES_FE_FFT_COMPLEX; i++) {
        const unsigned from = 2u * es_fe_fft_order[i];

        x[i].re = (int16_t)((uint32_t)tapered[from] << shift);
        x[i].im = (int16_t)((uint32_t)tapered[from + 1] << shift);
    }
    return shift;
}

static void compute_frame(es_micro *m, int8_t frame[ES_MICRO_CHANNELS])
{
    complex16 x[ES_FE_FFT_COMPLEX];
    int32_t energy[ES_FE_BIN_END + 1];
    uint32_t level[ES_MICRO_CHANNELS];
    const int shift = load_window(m->window, x);
    unsigned channel;

    transform(x);
    power_spectrum(x, energy);
    filter_bank(energy, shift, level);
    for (channel = 0; channel < ES_MICRO_CHANNELS; channel++) {
        const uint32_t smoothing = channel % 2 == 0 ? ES_FE_NOISE_EVEN : ES_FE_NOISE_ODD;
        const uint32_t signal = reduce_noise(level[channel], smoothing, &m->noise[channel]);

        frame[channel] = quantised(logarithm(control_gain(signal, m->noise[channel])));
    }
}

const char *es_micro_id(void)
{
    return ES_FE_ID;
}

void es_micro_reset(es_micro *m)
{
    memset(m, 0, sizeof *m);
}

bool es_micro_feed(es_micro *m, const int16_t *samples, size_t count, size_t *taken,
                   int8_t frame[ES_MICRO_CHANNELS])
{
    const size_t missing = (size_t)(ES_MICRO_WINDOW - m->used);
    const size_t n = count < missing ? count : missing;

    memcpy(m->window + m->used, samples, n * sizeof *samples);
    m->used = (uint16_t)(m->used + n);
    *taken = n;
    if (m->used < ES_MICRO_WINDOW) {
        return false;
    }
    compute_frame(m, frame);
    memmove(m->window, m->window + ES_MICRO_STEP, (ES_MICRO_WINDOW - ES_MICRO_STEP) * sizeof *samples);
    m->used = ES_MICRO_WINDOW - ES_MICRO_STEP;
    return true;
}

es_status es_micro_clip(const int16_t *samples, size_t count, int8_t features[ES_MICRO_CLIP_FEATURES])
{
    es_micro m;
    size_t taken;

    if (count != ES_MICRO_CLIP_SAMPLES) {
        return ES_ERR_SAMPLES;
    }
    es_micro_reset(&m);
    while (count > 0) {
        if (es_micro_feed(&m, samples, count, &taken, features)) {
            features += ES_MICRO_CHANNELS;
        }
        samples += taken;
        count -= taken;
    }
    return ES_OK;
}
