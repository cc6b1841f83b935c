#include "spectrogram43.h"

#include <string.h>

#include "bits.h"
#include "fft.h"
#include "spectrogram43_tables.h"

#if ES_ST_WINDOW != ES_FRONTEND_WINDOW || ES_ST_STEP != ES_FRONTEND_STEP || \
    ES_ST_CHANNELS != ES_SPECTROGRAM43_CHANNELS || ES_ST_FRAMES != ES_FRONTEND_FRAMES || \
    ES_ST_CLIP_SAMPLES != ES_FRONTEND_CLIP_SAMPLES || ES_ST_SAMPLE_RATE != ES_FRONTEND_SAMPLE_RATE
#error "spectrogram43_tables.h was generated for other settings than the firmware is written for"
#endif

/* Tapers the window and scales it down to ES_ST_FRAME_BITS, rounding; answers
 * the shift. Quieter windows stay as they are: their features are 0 anyway. */
static int load_window(const int16_t *window, int16_t signal[ES_FFT_REAL])
{
    uint32_t largest = 0;
    int32_t half;
    int shift;
    unsigned i;

    for (i = 0; i < ES_ST_WINDOW; i++) {
        const int32_t value = window[i] * es_st_window[i];
        const uint32_t magnitude = (uint32_t)(value < 0 ? -value : value);

        largest = magnitude > largest ? magnitude : largest;
    }
    shift = es_bit_length(largest) - ES_ST_FRAME_BITS;
    shift = shift < 0 ? 0 : shift;
    half = (1 << shift) >> 1;
    memset(signal, 0, ES_FFT_REAL * sizeof *signal);
    for (i = 0; i < ES_ST_WINDOW; i++) {
        signal[i] = (int16_t)((window[i] * es_st_window[i] + half) >> shift);
    }
    return shift;
}

void es_spectrogram43_frame(const int16_t window[ES_FRONTEND_WINDOW], int8_t frame[ES_SPECTROGRAM43_CHANNELS])
{
    int16_t signal[ES_FFT_REAL];
    uint32_t power[ES_FFT_BINS];
    const int down = ES_ST_SUM_BITS - 2 * load_window(window, signal);
    unsigned bin = 0;
    unsigned channel;

    es_fft_power(signal, power);
    for (channel = 0; channel < ES_SPECTROGRAM43_CHANNELS; channel++) {
        const unsigned end = bin + ES_ST_BINS_A_CHANNEL;
        uint64_t total = (uint64_t)3 << (down - 1);
        uint32_t feature;

        for (; bin < end && bin < ES_FFT_BINS - 1; bin++) {
            total += power[bin];
        }
        feature = (uint32_t)(total >> down) / 3;
        frame[channel] = (int8_t)((int32_t)(feature < 255 ? feature : 255) - 128);
    }
}

const char *es_spectrogram43_id(void)
{
    return ES_ST_ID;
}
