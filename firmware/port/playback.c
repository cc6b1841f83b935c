#include "playback.h"

#include <string.h>

static es_status play(void *context, int16_t *samples, size_t count, size_t *taken, uint32_t *lost)
{
    es_playback *p = context;
    const size_t most = count < ES_PLAYBACK_RING ? count : ES_PLAYBACK_RING;
    const size_t n = p->left < most ? p->left : most;

    es_ring_put(&p->ring, p->samples, n);
    p->samples += n;
    p->left -= n;
    *taken = es_ring_take(&p->ring, samples, count, lost);
    return ES_OK;
}

void es_playback_init(es_playback *p, const int16_t *samples, size_t count)
{
    memset(p, 0, sizeof *p);
    p->audio.context = p;
    p->audio.read = play;
    p->samples = samples;
    p->left = count;
    es_ring_init(&p->ring, p->memory, ES_PLAYBACK_RING);
}
