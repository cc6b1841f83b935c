/* Which second of a recording is the clip that is classified. */
#ifndef ES_CLIP_H
#define ES_CLIP_H

#include <stddef.h>
#include <stdint.h>

#define ES_CLIP_SAMPLES 16000u
#define ES_CLIP_STEP 320u

/* Start of the 16,000 samples with the largest energy (sum of squares) among
 * starts that are multiples of 320; the earliest on a tie. 0 for a recording
 * that is not longer than a clip, which is to be filled up with zeros. */
size_t es_clip_start(const int16_t *samples, size_t count);

#endif
