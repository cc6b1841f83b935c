/* Front end `micro`: 16 kHz mono samples to one frame of 40 features every 20 ms.
 *
 * Integer arithmetic throughout, the same bytes as TensorFlow's audio
 * microfrontend with micro_speech's settings and as `kws.features`: Hann
 * window, block-scaled 512-point FFT, mel filter bank, square root, noise
 * reduction, PCAN gain control, logarithm, int8 quantisation. Streaming and
 * batch are the same code. */
#ifndef ES_MICRO_H
#define ES_MICRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"

#define ES_MICRO_SAMPLE_RATE 16000
#define ES_MICRO_WINDOW 480
#define ES_MICRO_STEP 320
#define ES_MICRO_CHANNELS 40
#define ES_MICRO_FRAMES 49
#define ES_MICRO_CLIP_SAMPLES 16000
#define ES_MICRO_CLIP_FEATURES (ES_MICRO_FRAMES * ES_MICRO_CHANNELS)

/* What one stream remembers: 1.1 KB. */
typedef struct {
    int16_t window[ES_MICRO_WINDOW];
    uint16_t used; /* samples in `window` */
    uint32_t noise[ES_MICRO_CHANNELS];
} es_micro;

/* The front end's id as models carry it, e.g. "micro-5f3a90c1". */
const char *es_micro_id(void);

/* Forgets all audio and the noise estimate, as at the start of a clip. */
void es_micro_reset(es_micro *m);

/* Takes samples until a frame is complete or none are left; *taken says how
 * many were taken. True when `frame` was filled; call again with the rest. */
bool es_micro_feed(es_micro *m, const int16_t *samples, size_t count, size_t *taken,
                   int8_t frame[ES_MICRO_CHANNELS]);

/* Features of one clip of exactly 16,000 samples, frame after frame. */
es_status es_micro_clip(const int16_t *samples, size_t count, int8_t features[ES_MICRO_CLIP_FEATURES]);

#endif
