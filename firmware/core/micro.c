#include "micro.h"

#include "bits.h"
#include "dsp.h"
#include "fft.h"
#include "micro_tables.h"
#include "root.h"

#if ES_MT_WINDOW != ES_FRONTEND_WINDOW || ES_MT_STEP != ES_FRONTEND_STEP || ES_MT_CHANNELS != ES_MICRO_CHANNELS || \
    ES_MT_FRAMES != ES_FRONTEND_FRAMES || ES_MT_CLIP_SAMPLES != ES_FRONTEND_CLIP_SAMPLES ||                        \
    ES_MT_SAMPLE_RATE != ES_FRONTEND_SAMPLE_RATE || ES_MT_WINDOW != 2 * ES_FFT_SIGNAL_WORDS
#error "micro_tables.h was generated for other settings than the firmware is written for"
#endif

/* Amplitude of a channel, from bins' energies weighted by the filter bank. Each
 * band's energy falls into the channel below and rises into the one above;
 * `rising` carries it there. */
static uint32_t channel_level(const uint32_t *energy, unsigned band, uint64_t *rising)
{
    const uint32_t one = 1u << ES_MT_FILTER_BITS;
    const uint8_t *place = es_fft_place + es_mt_band[band];
    const uint8_t *const end = es_fft_place + es_mt_band[band + 1];
    const int16_t *weight = es_mt_falling + es_mt_band[band] - ES_MT_BIN_FIRST;
    uint64_t falls = *rising;
    uint64_t rises = 0;

    while (place < end) {
        const uint32_t e = energy[*place++];
        const uint32_t w = (uint16_t)*weight++;

        falls += (uint64_t)e * w;
        rises += (uint64_t)e * (one - w);
    }
    *rising = rises;
    return es_rounded_root(falls);
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
    int32_t fraction; /* the ten bits below the highest */
    int32_t curve;

    if (noise <= 2) {
        return (uint32_t)es_mt_gain[noise];
    }
    bits = es_bit_length(noise);
    c = es_mt_gain + 4 * bits - 6;
    fraction = (int32_t)((noise << (32 - bits) >> 21) & 0x3FF);
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
    int32_t mantissa; /* the bits below the highest */
    int32_t segment;
    int32_t step;
    uint32_t log2;
    uint32_t natural;
    uint32_t result;

    if (x <= 1) {
        return 0;
    }
    whole = es_bit_length(x) - 1;
    mantissa = (int32_t)(x << (32 - whole) >> (32 - ES_MT_LOG_SCALE_BITS));
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

/* -32768 shifted left loses all its bits, as it does in the reference. */
static void clear_lowest(uint32_t signal[ES_FFT_WORDS])
{
    unsigned i;

    for (i = 0; i < ES_FFT_SIGNAL_WORDS; i++) {
        signal[i] = es_pack16(es_low16(signal[i]) == INT16_MIN ? 0 : es_low16(signal[i]),
                              es_high16(signal[i]) == INT16_MIN ? 0 : es_high16(signal[i]));
    }
}

/* Tapers the window; answers how far 16 bits allow to shift it to the left. */
static int load_window(const int16_t *window, uint32_t signal[ES_FFT_WORDS])
{
    uint32_t magnitudes = 0;
    uint32_t low_bits;
    int shift;
    unsigned i;

    for (i = 0; i < ES_FFT_SIGNAL_WORDS; i++) {
        const uint32_t samples = es_load_word(window + 2 * i);
        const uint32_t weights = es_load_word(es_mt_window + 2 * i);
        const uint32_t tapered = es_pack_shifted(es_low16(samples) * es_low16(weights),
                                                 es_high16(samples) * es_high16(weights), ES_MT_WINDOW_BITS);

        signal[i] = tapered;
        /* Together they have the bits of the largest. */
        magnitudes |= es_magnitude16(tapered);
    }
    magnitudes |= magnitudes >> 16;
    low_bits = magnitudes & INT16_MAX;
    shift = 15 - es_bit_length(low_bits);
    /* -32768 stays negative in the reference: it is never the largest. */
    if ((magnitudes & 0x8000) != 0 && shift > 0) {
        clear_lowest(signal);
    }
    return shift;
}

void es_micro_frame(es_micro *m, const int16_t window[ES_FRONTEND_WINDOW], int8_t frame[ES_MICRO_CHANNELS])
{
    uint32_t energy[ES_FFT_WORDS]; /* the signal, before it is transformed */
    const int shift = load_window(window, energy);
    uint64_t rising = 0;
    unsigned channel;

    es_fft_power(energy, shift);
    (void)channel_level(energy, 0, &rising);
    for (channel = 0; channel < ES_MICRO_CHANNELS; channel++) {
        const uint32_t smoothing = channel % 2 == 0 ? ES_MT_NOISE_EVEN : ES_MT_NOISE_ODD;
        const uint32_t level = channel_level(energy, channel + 1, &rising) >> shift;
        const uint32_t signal_level = reduce_noise(level, smoothing, &m->noise[channel]);

        frame[channel] = quantised(logarithm(control_gain(signal_level, m->noise[channel])));
    }
}

const char *es_micro_id(void)
{
    return ES_MT_ID;
}
