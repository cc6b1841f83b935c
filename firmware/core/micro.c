#include "micro.h"

#include <string.h>

#include "bits.h"
#include "fft.h"
#include "micro_tables.h"

#if ES_MT_WINDOW != ES_FRONTEND_WINDOW || ES_MT_STEP != ES_FRONTEND_STEP || ES_MT_CHANNELS != ES_MICRO_CHANNELS || \
    ES_MT_FRAMES != ES_FRONTEND_FRAMES || ES_MT_CLIP_SAMPLES != ES_FRONTEND_CLIP_SAMPLES ||                        \
    ES_MT_SAMPLE_RATE != ES_FRONTEND_SAMPLE_RATE
#error "micro_tables.h was generated for other settings than the firmware is written for"
#endif

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
static void filter_bank(const uint32_t *energy, int shift, uint32_t level[ES_MICRO_CHANNELS])
{
    uint64_t carried = 0;
    unsigned band;

    for (band = 0; band <= ES_MT_CHANNELS; band++) {
        uint64_t falling = carried;
        uint64_t rising = 0;
        unsigned bin;

        for (bin = es_mt_band[band]; bin < es_mt_band[band + 1]; bin++) {
            falling += (uint64_t)energy[bin] * (uint16_t)es_mt_falling[bin - ES_MT_BIN_FIRST];
            rising += (uint64_t)energy[bin] * (uint16_t)es_mt_rising[bin - ES_MT_BIN_FIRST];
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
    const uint32_t up = level << ES_MT_NOISE_SMOOTHING_BITS;
    const uint32_t estimate = (uint32_t)(((uint64_t)up * smoothing +
                                          (uint64_t)*noise * ((1u << ES_MT_NOISE_BITS) - smoothing)) >>
                                         ES_MT_NOISE_BITS);
    const uint32_t floor = (uint32_t)(((uint64_t)level * ES_MT_NOISE_FLOOR) >> ES_MT_NOISE_BITS);
    const uint32_t above = (up - (estimate > up ? up : estimate)) >> ES_MT_NOISE_SMOOTHING_BITS;

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
        return (uint32_t)es_mt_gain[noise];
    }
    bits = es_bit_length(noise);
    c = es_mt_gain + 4 * bits - 6;
    fraction = (int32_t)((bits < 11 ? noise << (11 - bits) : noise >> (bits - 11)) & 0x3FF);
    curve = ((c[2] * fraction) >> 5) + c[1] * 32;
    curve = ((curve * fraction + (1 << 14)) >> 15) + c[0];
    return (uint32_t)(int16_t)curve;
}

static uint32_t control_gain(uint32_t signal, uint32_t noise)
{
    const uint32_t ratio = (uint32_t)(((uint64_t)signal * gain_at(noise)) >> ES_MT_PCAN_SNR_SHIFT);

    /* Below a ratio of 2 a parabola that meets the line x - 1 smoothly. */
    if (ratio < (2u << ES_MT_PCAN_SNR_BITS)) {
        return (ratio * ratio) >> (2 + 2 * ES_MT_PCAN_SNR_BITS - ES_MT_PCAN_OUTPUT_BITS);
    }
    return (ratio >> (ES_MT_PCAN_SNR_BITS - ES_MT_PCAN_OUTPUT_BITS)) - (1u << ES_MT_PCAN_OUTPUT_BITS);
}

/* Natural logarithm scaled by 2^ES_MT_LOG_SCALE_SHIFT, limited to 16 bits. */
static uint32_t logarithm(uint32_t signal)
{
    const uint32_t round = 1u << (ES_MT_LOG_SCALE_BITS - 1);
    const int segment_bits = ES_MT_LOG_SCALE_BITS - ES_MT_LOG_SEGMENTS_BITS;
    const uint32_t x = signal << ES_MT_CORRECTION_BITS;
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
    whole = es_bit_length(x) - 1;
    mantissa = (int32_t)(x - (1u << whole));
    mantissa = whole < ES_MT_LOG_SCALE_BITS ? mantissa << (ES_MT_LOG_SCALE_BITS - whole)
                                            : mantissa >> (whole - ES_MT_LOG_SCALE_BITS);
    segment = mantissa >> segment_bits;
    step = es_mt_log[segment + 1] - es_mt_log[segment];
    log2 = ((uint32_t)whole << ES_MT_LOG_SCALE_BITS) + (uint32_t)(mantissa + es_mt_log[segment]) +
           (uint32_t)((step * (mantissa - (segment << segment_bits))) >> ES_MT_LOG_SCALE_BITS);
    natural = (uint32_t)(((uint64_t)ES_MT_LOG_COEFFICIENT * log2 + round) >> ES_MT_LOG_SCALE_BITS);
    result = ((natural << ES_MT_LOG_SCALE_SHIFT) + round) >> ES_MT_LOG_SCALE_BITS;
    return result < UINT16_MAX ? result : UINT16_MAX;
}

static int8_t quantised(uint32_t feature)
{
    const int32_t value = (int32_t)((feature * 256 + 333) / 666) - 128;

    return (int8_t)(value > 127 ? 127 : value);
}

/* Tapers the window and scales it up as far as 16 bits allow; answers the shift. */
static int load_window(const int16_t *window, int16_t signal[ES_FFT_REAL])
{
    int16_t largest = 0;
    int shift;
    unsigned i;

    memset(signal, 0, ES_FFT_REAL * sizeof *signal);
    for (i = 0; i < ES_MT_WINDOW; i++) {
        const int16_t value = (int16_t)((window[i] * es_mt_window[i]) >> ES_MT_WINDOW_BITS);
        /* -32768 stays negative here, as in the reference: it is never the largest. */
        const int16_t magnitude = (int16_t)(value < 0 ? -value : value);

        signal[i] = value;
        largest = magnitude > largest ? magnitude : largest;
    }
    shift = 15 - es_bit_length((uint32_t)largest);
    for (i = 0; i < ES_MT_WINDOW; i++) {
        signal[i] = (int16_t)((uint32_t)signal[i] << shift);
    }
    return shift;
}

void es_micro_frame(es_micro *m, const int16_t window[ES_FRONTEND_WINDOW], int8_t frame[ES_MICRO_CHANNELS])
{
    int16_t signal[ES_FFT_REAL];
    uint32_t energy[ES_FFT_BINS];
    uint32_t level[ES_MICRO_CHANNELS];
    const int shift = load_window(window, signal);
    unsigned channel;

    es_fft_power(signal, energy);
    filter_bank(energy, shift, level);
    for (channel = 0; channel < ES_MICRO_CHANNELS; channel++) {
        const uint32_t smoothing = channel % 2 == 0 ? ES_MT_NOISE_EVEN : ES_MT_NOISE_ODD;
        const uint32_t signal_level = reduce_noise(level[channel], smoothing, &m->noise[channel]);

        frame[channel] = quantised(logarithm(control_gain(signal_level, m->noise[channel])));
    }
}

const char *es_micro_id(void)
{
    return ES_MT_ID;
}
