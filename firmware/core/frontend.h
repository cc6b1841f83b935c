/* Front ends: 16 kHz mono samples to frames of features, which a model reads.
 *
 * A model's card names its front end by an id, a hash of its settings; the
 * firmware computes each that is listed in frontend.c. Memory is the caller's,
 * arithmetic is in integers, and streaming and batch are the same code. */
#ifndef ES_FRONTEND_H
#define ES_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"
#include "frontend_sizes.h"
#include "micro.h"
#include "spectrogram43.h"

/* -DES_WITH_MICRO=0 or -DES_WITH_SPECTROGRAM43=0 leaves one out of the list and,
 * with its tables, out of a program that is linked by sections. */
#ifndef ES_WITH_MICRO
#define ES_WITH_MICRO 1
#endif
#ifndef ES_WITH_SPECTROGRAM43
#define ES_WITH_SPECTROGRAM43 1
#endif
#if !ES_WITH_MICRO && !ES_WITH_SPECTROGRAM43
#error "no front end is left"
#endif

#define ES_FRONTEND_CHANNELS_MAX ES_SPECTROGRAM43_CHANNELS
#define ES_FRONTEND_FEATURES_MAX (ES_FRONTEND_FRAMES * ES_FRONTEND_CHANNELS_MAX)

/* What a front end remembers from window to window. */
typedef union {
    es_micro micro;
} es_frontend_memory;

typedef struct {
    const char *(*id)(void);
    uint16_t window; /* samples of a window */
    uint16_t step;   /* samples from one window to the next */
    uint16_t frames; /* of a clip */
    uint16_t channels;
    void (*frame)(es_frontend_memory *memory, const int16_t *window, int8_t *frame);
} es_frontend;

/* The front end at a place of the list, from 0 on; NULL past its end. */
const es_frontend *es_frontend_at(size_t index);

/* The front end with an id; NULL where this firmware does not compute it. */
const es_frontend *es_frontend_find(const char *id);

/* Bytes of a clip's features. */
size_t es_frontend_features(const es_frontend *f);

/* One stream of samples: 1.1 KB. */
typedef struct {
    const es_frontend *frontend;
    int16_t window[ES_FRONTEND_WINDOW]; /* at a word's address, as it is read by words */
    es_frontend_memory memory;
    uint16_t used; /* samples in `window` */
} es_frontend_stream;

/* Begins a stream: forgets all audio and all that was remembered of it. */
void es_frontend_reset(es_frontend_stream *s, const es_frontend *f);

/* Takes samples until a frame is complete or none are left; *taken says how
 * many were taken. True when `frame` was filled with the front end's channels;
 * call again with the rest. */
bool es_frontend_feed(es_frontend_stream *s, const int16_t *samples, size_t count, size_t *taken, int8_t *frame);

/* Features of one clip of exactly 16,000 samples, frame after frame. */
es_status es_frontend_clip(const es_frontend *f, const int16_t *samples, size_t count, int8_t *features);

#endif
