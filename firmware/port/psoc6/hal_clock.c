#include "FreeRTOS.h"
#include "es_port.h"
#include "task.h"

/* The tick counter wraps after 49.7 days; the update task asks more often. */
static uint64_t milliseconds(void *context)
{
    static uint32_t last;
    static uint32_t wraps;
    uint64_t ticks;
    uint32_t now;

    (void)context;
    taskENTER_CRITICAL();
    now = xTaskGetTickCount();
    wraps += now < last ? 1 : 0;
    last = now;
    ticks = ((uint64_t)wraps << 32) | now;
    taskEXIT_CRITICAL();
    return ticks * 1000u / configTICK_RATE_HZ;
}

bool es_clock_open(es_clock *clock)
{
    clock->context = NULL;
    clock->milliseconds = milliseconds;
    return true;
}
