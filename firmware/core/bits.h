/* How many bits a number has. */
#ifndef ES_BITS_H
#define ES_BITS_H

#include <stdint.h>

/* Number of bits up to and including the highest set one; 0 for 0. */
static inline int es_bit_length(uint32_t x)
{
    return x == 0 ? 0 : 32 - __builtin_clz(x);
}

#endif
