#include "counter.h"

#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008)

enum { PATTERN = 0xA5 };

static uint32_t overhead;

uint32_t es_counter_now(void)
{
    return TIMER_VALUE;
}

uint32_t es_counter_since(uint32_t then)
{
    /* The timer counts down. */
    return (uint32_t)((uint64_t)(then - TIMER_VALUE) * 5 / 8) - overhead;
}

void es_counter_start(void)
{
    TIMER_RELOAD = UINT32_MAX;
    TIMER_VALUE = UINT32_MAX;
    TIMER_CONTROL = 1;
    overhead = 0;
    overhead = es_counter_since(es_counter_now());
}

/* Semihosting places stack and heap; what is measured is painted below the
 * caller's frame. Not inlined, so that their own frames are as small as they look. */
__attribute__((noinline)) void es_stack_paint(void)
{
    volatile uint8_t *const frame = __builtin_frame_address(0);
    volatile uint8_t *p;

    for (p = frame - ES_STACK_PAINTED; p < frame - 64; p++) {
        *p = PATTERN;
    }
}

__attribute__((noinline)) uint32_t es_stack_used(void)
{
    const uint8_t *const frame = __builtin_frame_address(0);
    const uint8_t *p = frame - ES_STACK_PAINTED;

    while (p < frame && *p == PATTERN) {
        p++;
    }
    return (uint32_t)(frame - p);
}
