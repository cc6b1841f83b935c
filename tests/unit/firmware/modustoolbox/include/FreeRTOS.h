/* FreeRTOS API reference; the settings are the port's own. */
#ifndef THIN_FREERTOS_H
#define THIN_FREERTOS_H

#include <stdint.h>

#include "FreeRTOSConfig.h"

typedef long BaseType_t;
typedef unsigned long UBaseType_t;
typedef uint32_t TickType_t;
typedef uint32_t StackType_t;
typedef struct {
    uint32_t memory[48];
} StaticTask_t;
typedef struct {
    uint32_t memory[20];
} StaticSemaphore_t;

#define pdFALSE ((BaseType_t)0)
#define pdTRUE ((BaseType_t)1)
#define portMAX_DELAY ((TickType_t)0xFFFFFFFFu)
#define pdMS_TO_TICKS(ms) ((TickType_t)((uint64_t)(ms) * configTICK_RATE_HZ / 1000u))

/* From an interrupt: another task goes on when it ends, if the argument is true. */
void thin_yield_from_isr(BaseType_t woken);
#define portYIELD_FROM_ISR(woken) thin_yield_from_isr(woken)

#endif
