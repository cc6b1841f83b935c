#include "ring.h"

#include <string.h>

#include "barrier.h"

void es_ring_init(es_ring *r, int16_t *samples, uint32_t size)
{
    memset(r, 0, sizeof *r);
    r->samples = samples;
    r->size = size;
}

/* How many of `count` samples can be copied from position `at` on before the memory's end. */
static uint32_t until_end(const es_ring *r, uint32_t at, uint32_t count)
{
    const uint32_t room = r->size - at % r->size;

    return count < room ? count : room;
}

void es_ring_put(es_ring *r, const int16_t *samples, size_t count)
{
    const uint32_t written = r->written;
    const uint32_t room = r->size - (written - r->read);
    const uint32_t n = count < room ? (uint32_t)count : room;
    const uint32_t first = until_end(r, written, n);

    /* The consumer has read these places before it said so. */
    es_memory_barrier();
    memcpy(r->samples + written % r->size, samples, first * sizeof *samples);
    memcpy(r->samples, samples + first, (n - first) * sizeof *samples);
    /* The samples are there before the consumer is told. */
    es_memory_barrier();
    r->written = written + n;
    r->lost += (uint32_t)(count - n);
}

size_t es_ring_take(es_ring *r, int16_t *samples, size_t count, uint32_t *lost)
{
    const uint32_t read = r->read;
    const uint32_t held = r->written - read;
    const uint32_t n = count < held ? (uint32_t)count : held;
    const uint32_t first = until_end(r, read, n);
    const uint32_t dropped = r->lost;

    es_memory_barrier();
    memcpy(samples, r->samples + read % r->size, first * sizeof *samples);
    memcpy(samples + first, r->samples, (n - first) * sizeof *samples);
    es_memory_barrier();
    r->read = read + n;
    *lost = dropped - r->told;
    r->told = dropped;
    return n;
}
