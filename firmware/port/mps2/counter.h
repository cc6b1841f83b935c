/* Instructions executed, and stack used, under `qemu-system-arm -icount shift=6`.
 *
 * There every instruction takes 64 ns of the board's time, which its 25 MHz
 * timer counts in steps of 40 ns: instructions = ticks * 5 / 8, exactly and
 * repeatably. They are not cycles: QEMU models no wait states. */
#ifndef ES_PORT_MPS2_COUNTER_H
#define ES_PORT_MPS2_COUNTER_H

#include <stdint.h>

/* Starts the timer and measures what reading it costs. */
void es_counter_start(void);

/* A point in time; meaningful only as an argument of es_counter_since. */
uint32_t es_counter_now(void);

/* Instructions since `then`, less those of the measurement itself; up to 2.6e9. */
uint32_t es_counter_since(uint32_t then);

/* The most stack that can be measured. */
#define ES_STACK_PAINTED 16384u

/* Fills the stack below the caller with a pattern. */
void es_stack_paint(void);

/* Bytes of stack below the caller that were written since es_stack_paint. */
uint32_t es_stack_used(void);

#endif
