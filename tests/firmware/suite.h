/* What every suite includes: cmocka, or what stands for it under QEMU, and a
 * stream of pseudo-random numbers that is the same everywhere. */
#ifndef ES_TESTS_SUITE_H
#define ES_TESTS_SUITE_H

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* xorshift64*: never 0 after a seed that is not 0. */
static inline uint32_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 2685821657736338717u) >> 32);
}

/* Equal bytes, or the name of the case and then the failure. */
static inline void assert_same(const char *name, const void *found, const void *wanted, size_t size)
{
    if (memcmp(found, wanted, size) != 0) {
        (void)printf("case %s:\n", name);
    }
    assert_memory_equal(found, wanted, size);
}

#endif
