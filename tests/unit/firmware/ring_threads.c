/* A producer and a consumer of one ring, each in a thread of its own, as fast as they can.
 *
 *   ring_threads LOG2_SIZE NUMBERS
 *
 * Numbers go in as pairs of samples, in order. Prints how many came out, how
 * many were told as lost, how many are missing between those that came out, and
 * how many came out of order. */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../firmware/app/barrier.h"
#include "../../../firmware/app/ring.h"

enum { MOST = 1024 };

static es_ring ring;
static uint32_t numbers;
static volatile bool over;

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static void *produce(void *context)
{
    uint32_t state = 1;
    uint32_t number = 0;

    (void)context;
    while (number < numbers) {
        uint32_t block[MOST];
        uint32_t n = 1 + next(&state) % MOST;
        uint32_t i;

        n = n < numbers - number ? n : numbers - number;
        for (i = 0; i < n; i++) {
            block[i] = number++;
        }
        es_ring_put(&ring, (const int16_t *)(const void *)block, (size_t)n * 2);
        /* Not always full: that the consumer waits is to happen as well. */
        if (next(&state) % 2 == 0) {
            sched_yield();
        }
    }
    es_memory_barrier();
    over = true;
    return NULL;
}

int main(int argc, char **argv)
{
    const uint32_t size = argc == 3 ? 1u << atoi(argv[1]) : 0;
    int16_t *memory = calloc(size + 1, sizeof *memory);
    uint64_t taken = 0;
    uint64_t lost = 0;
    uint64_t missing = 0;
    uint64_t disordered = 0;
    uint32_t expected = 0;
    uint32_t state = 2;
    pthread_t producer;

    if (argc != 3 || memory == NULL) {
        return 2;
    }
    numbers = (uint32_t)strtoul(argv[2], NULL, 10);
    es_ring_init(&ring, memory, size);
    if (pthread_create(&producer, NULL, produce, NULL) != 0) {
        return 2;
    }
    for (;;) {
        const bool last = over;
        int16_t samples[2 * MOST];
        uint32_t gap;
        size_t n;
        size_t i;

        es_memory_barrier();
        n = es_ring_take(&ring, samples, 2 * (1 + next(&state) % MOST), &gap);
        lost += gap;
        for (i = 0; i < n; i += 2) {
            uint32_t number;

            memcpy(&number, samples + i, sizeof number);
            disordered += number < expected || number >= numbers ? 1 : 0;
            missing += number - expected;
            expected = number + 1;
        }
        taken += n;
        if (n == 0 && last) {
            break;
        }
    }
    (void)pthread_join(producer, NULL);
    missing += numbers - expected;
    (void)printf("%llu %llu %llu %llu\n", (unsigned long long)taken / 2, (unsigned long long)lost / 2,
                 (unsigned long long)missing, (unsigned long long)disordered);
    free(memory);
    return 0;
}
