/* Front end `spectrogram43`: a window of audio to 43 averages of its power
 * spectrum; windows do not depend on each other.
 *
 * The same bytes as `kws.spectrogram43`, which states the arithmetic: periodic
 * Hann window, 512-point transform, squared magnitudes of bins 0 to 255, each
 * six averaged, times two, at most 255, minus 128; integers throughout. */
#ifndef ES_SPECTROGRAM43_H
#define ES_SPECTROGRAM43_H

#include <stdint.h>

#include "frontend_sizes.h"

#define ES_SPECTROGRAM43_CHANNELS 43

/* The front end's id as models carry it, e.g. "spectrogram43-5f3a90c1". */
const char *es_spectrogram43_id(void);

/* Features of a window. */
void es_spectrogram43_frame(const int16_t window[ES_FRONTEND_WINDOW], int8_t frame[ES_SPECTROGRAM43_CHANNELS]);

#endif
