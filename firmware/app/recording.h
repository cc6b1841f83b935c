/* A recording as one clip: the answer to "which word is in this file?". */
#ifndef ES_RECORDING_H
#define ES_RECORDING_H

#include "../core/classifier.h"

/* Scores of a recording's loudest second (core/clip.h), filled up with zeros
 * where it is shorter; as many as there are labels. */
es_status es_recording_hear(es_classifier *c, const int16_t *samples, size_t count, int8_t scores[ES_LABELS]);

#endif
