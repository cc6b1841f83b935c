/* Front end `micro`: a window of audio to 40 features, with what it remembers
 * of the windows before.
 *
 * The same bytes as TensorFlow's audio microfrontend with micro_speech's
 * settings and as `kws.micro`: Hann window, block-scaled 512-point transform,
 * mel filter bank, square root, noise reduction, PCAN gain control, logarithm,
 * int8 quantisation; integers throughout. */
#ifndef ES_MICRO_H
#define ES_MICRO_H

#include <stdint.h>

#include "frontend_sizes.h"

#define ES_MICRO_CHANNELS 40

/* The noise estimate; all zeros at the start of a clip or stream. */
typedef struct {
    uint32_t noise[ES_MICRO_CHANNELS];
} es_micro;

/* The front end's id as models carry it, e.g. "micro-5f3a90c1". */
const char *es_micro_id(void);

/* Features of the next window. */
void es_micro_frame(es_micro *m, const int16_t window[ES_FRONTEND_WINDOW], int8_t frame[ES_MICRO_CHANNELS]);

#endif
