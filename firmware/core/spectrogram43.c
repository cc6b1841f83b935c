#include "spectrogram43.h"

#include "bits.h"
#include "dsp.h"
#include "fft.h"
#include "spectrogram43_tables.h"

#if ES_ST_WINDOW != ES_FRONTEND_WINDOW || ES_ST_STEP != ES_FRONTEND_STEP || \
    ES_ST_CHANNELS != ES_SPECTROGRAM43_CHANNELS || ES_ST_FRAMES != ES_FRONTEND_FRAMES || \
    ES_ST_CLIP_SAMPLES != ES_FRONTEND_CLIP_SAMPLES || ES_ST_SAMPLE_RATE != ES_FRONTEND_SAMPLE_RATE || \
    ES_ST_WINDOW != 2 * ES_FFT_SIGNAL_WORDS
#error "spectrogram43_tables.h was generated for other settings than the firmware is written for"
#endif

/* As the compiler would not write it: it compares and negates. */
static inline uint32_t magnitude(int32_t x)
{
    const int32_t sign = x >> 31;

    return (uint32_t)((x ^ sign) - sign);
}

/* Tapers the window and scales it down to ES_ST_FRAME_BITS, rounding; answers
 * the shift. Quieter windows stay as they are: their features are 0 anyway. */
static int load_window(const int16_t *window, uint32_t signal[ES_FFT_WORDS])
{
    uint32_t magnitudes = 0; /* together they have the bits of the largest */
    int32_t half;
    int shift;
    unsigned i;

    for (i = 0; i < ES_FFT_SIGNAL_WORDS; i++) {
        const uint32_t samples = es_load_word(window + 2 * i);
        const uint32_t weights = es_load_word(es_st_window + 2 * i);
        const int32_t low = es_low16(samples) * es_low16(weights);
        const int32_t high = es_high16(samples) * es_high16(weights);

        magnitudes |= magnitude(low) | magnitude(high);
    }
    shift = es_bit_length(magnitudes) - ES_ST_FRAME_BITS;
    shift = shift < 0 ? 0 : shift;
    half = (1 << shift) >> 1;
    for (i = 0; i < ES_FFT_SIGNAL_WORDS; i++) {
        const uint32_t samples = es_load_word(window + 2 * i);
        const uint32_t weights = es_load_word(es_st_window + 2 * i);

        signal[i] = es_pack_lows((uint32_t)((es_low16(samples) * es_low16(weights) + half) >> shift),
                                 (uint32_t)((es_high16(samples) * es_high16(weights) + half) >> shift));
    }
    return shift;
}

void es_spectrogram43_frame(const int16_t window[ES_FRONTEND_WINDOW], int8_t frame[ES_SPECTROGRAM43_CHANNELS])
{
    uint32_t power[ES_FFT_WORDS]; /* the signal, before it is transformed */
    const int down = ES_ST_SUM_BITS - 2 * load_window(window, power);
    const uint8_t *place = es_fft_place;
    const uint8_t *const last = es_fft_place + ES_FFT_WORDS;
    unsigned channel;

    es_fft_power(power, 0);
    for (channel = 0; channel < ES_SPECTROGRAM43_CHANNELS; channel++) {
        const uint8_t *const end = last - place < ES_ST_BINS_A_CHANNEL ? last : place + ES_ST_BINS_A_CHANNEL;
        uint32_t sum = 0; /* of at most six numbers below 2^28: means of numbers below 2^ES_ST_FRAME_BITS, squared */
        uint32_t feature;

        while (place < end) {
            sum += power[*place++];
        }
        feature = (uint32_t)((sum + ((uint64_t)3 << (down - 1))) >> down) / 3;
        frame[channel] = (int8_t)((int32_t)(feature < 255 ? feature : 255) - 128);
    }
}

const char *es_spectrogram43_id(void)
{
    return ES_ST_ID;
}
