/* A source of 16 kHz mono 16-bit samples: a microphone, or a file. */
#ifndef ES_HAL_AUDIO_H
#define ES_HAL_AUDIO_H

#include <stddef.h>
#include <stdint.h>

#include "../core/errors.h"

typedef struct es_audio {
    void *context;
    /* Waits for samples, up to `count`; *taken = 0 at the end of a file. *lost:
     * samples that nobody heard since the last call, for want of room. */
    es_status (*read)(void *context, int16_t *samples, size_t count, size_t *taken, uint32_t *lost);
} es_audio;

#endif
