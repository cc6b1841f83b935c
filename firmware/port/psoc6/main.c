#include "FreeRTOS.h"
#include "cyhal.h"
#include "es_port.h"
#include "task.h"

static es_program program;

/* A task has used more than its stack: its neighbour's memory is spoilt, so
 * the watchdog is left to restart the board. */
void vApplicationStackOverflowHook(TaskHandle_t task, char *name)
{
    (void)task;
    (void)name;
    taskDISABLE_INTERRUPTS();
    for (;;) {
    }
}

int main(void)
{
    static StaticTask_t task;
    static StackType_t stack[ES_LISTEN_STACK];

    if (cybsp_init() != CY_RSLT_SUCCESS) {
        CY_ASSERT(0);
    }
    __enable_irq();
    (void)xTaskCreateStatic(es_listen_task, "listen", ES_LISTEN_STACK, &program, ES_LISTEN_PRIORITY, stack, &task);
    vTaskStartScheduler();
    return 0; /* not reached: nothing ends the scheduler */
}
