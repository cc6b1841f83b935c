/* A ring of samples between one producer (an interrupt, a DMA callback or an
 * audio task) and one consumer, without locks.
 *
 * Positions are counters that run freely and wrap: `written - read` samples are
 * in the ring, and `x % size` is where a counter points. Each counter has one
 * writer: `written` and `lost` the producer, the others the consumer. What does
 * not fit is dropped: samples that were heard in order stay in order, and the
 * gap is after them. */
#ifndef ES_RING_H
#define ES_RING_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int16_t *samples;
    uint32_t size;             /* in samples, a power of two up to 2^31 */
    volatile uint32_t written; /* samples put since the start */
    volatile uint32_t read;    /* samples taken since the start */
    volatile uint32_t lost;    /* samples dropped since the start */
    uint32_t told;             /* of those, what es_ring_take has told */
} es_ring;

/* `samples` must have room for `size` samples and stay where it is. */
void es_ring_init(es_ring *r, int16_t *samples, uint32_t size);

/* Producer: as many samples as fit; the rest is dropped and counted in `lost`. */
void es_ring_put(es_ring *r, const int16_t *samples, size_t count);

/* Consumer: up to `count` samples, without waiting; how many were taken.
 * *lost: samples dropped since the last call, in one gap or more, all of them
 * after what the ring held when they were dropped. After the last put, all
 * that was taken and all that was told as lost add up to all that was put. */
size_t es_ring_take(es_ring *r, int16_t *samples, size_t count, uint32_t *lost);

#endif
