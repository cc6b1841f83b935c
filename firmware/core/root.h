/* Square root of a wide sum. */
#ifndef ES_ROOT_H
#define ES_ROOT_H

#include <stdint.h>

/* The nearest integer to the square root of x, which is below 2^58.
 *
 * As the audio microfrontend has it: there the root of what fits 32 bits is a
 * 16-bit number, so 65535 is not rounded up. */
uint32_t es_rounded_root(uint64_t x);

#endif
