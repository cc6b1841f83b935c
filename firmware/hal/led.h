/* The light that shows what was heard: 0 is off, 255 is bright. */
#ifndef ES_HAL_LED_H
#define ES_HAL_LED_H

#include <stdint.h>

typedef struct es_led {
    void *context;
    void (*set)(void *context, uint8_t brightness);
} es_led;

#endif
