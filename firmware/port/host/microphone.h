/* A live source of 16 kHz mono 16-bit samples: a recorder's output, read by a
 * thread into a ring, so that a listener which is too slow loses samples as on
 * a board. */
#ifndef ES_PORT_HOST_MICROPHONE_H
#define ES_PORT_HOST_MICROPHONE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/types.h>

#include "../../app/ring.h"
#include "../../hal/audio.h"

#define ES_MICROPHONE_RING 65536u /* samples: 4 s */

typedef struct {
    es_audio audio;
    int descriptor;     /* raw signed 16-bit little-endian samples */
    pid_t recorder;     /* the child that records; 0 for standard input */
    pthread_t thread;
    sem_t arrived;      /* posted after each put, and at the end */
    volatile bool over; /* set before the last post */
    es_ring ring;
    int16_t memory[ES_MICROPHONE_RING];
} es_microphone;

/* Listens to `arecord`, or to standard input; m->audio is the source. NULL, or what is wrong and what to do. */
const char *es_microphone_open(es_microphone *m, bool standard_input);

/* After the last sample: waits for the recorder and the thread. NULL, or what was wrong with the recorder. */
const char *es_microphone_close(es_microphone *m);

#endif
