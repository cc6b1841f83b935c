/* Time since an arbitrary start; never runs backwards. */
#ifndef ES_HAL_CLOCK_H
#define ES_HAL_CLOCK_H

#include <stdint.h>

typedef struct es_clock {
    void *context;
    uint64_t (*milliseconds)(void *context);
} es_clock;

#endif
