/* Samples in memory, played as a microphone would: through a ring, a step at a time. Nothing is lost. */
#ifndef ES_PORT_PLAYBACK_H
#define ES_PORT_PLAYBACK_H

#include "../app/ring.h"
#include "../hal/audio.h"

#define ES_PLAYBACK_RING 512u

typedef struct {
    es_audio audio;
    const int16_t *samples;
    size_t left;
    es_ring ring;
    int16_t memory[ES_PLAYBACK_RING];
} es_playback;

/* Begins to play; p->audio is its source. The samples and `p` must stay where they are. */
void es_playback_init(es_playback *p, const int16_t *samples, size_t count);

#endif
