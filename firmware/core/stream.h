/* Words out of an endless stream of samples: the model's front end, a rolling
 * window of 49 frames in the model's arena, the model after every so many frames
 * as its card says, the recogniser. */
#ifndef ES_STREAM_H
#define ES_STREAM_H

#include "classifier.h"
#include "recogniser.h"

/* A feature of silence, which fills the window when a stream begins. */
#define ES_STREAM_SILENCE (-128)

typedef struct {
    es_classifier *classifier;
    es_frontend_stream samples;
    es_recogniser recogniser;
    uint32_t frames; /* since the start */
} es_stream;

/* Begins a stream. The classifier must stay where it is, and answers no clips
 * as long as the stream goes on. */
void es_stream_reset(es_stream *s, es_classifier *classifier);

/* Takes samples until a word is heard or none are left; *taken says how many.
 * True when `word` was filled; call again with the rest. */
bool es_stream_feed(es_stream *s, const int16_t *samples, size_t count, size_t *taken, es_word *word);

#endif
