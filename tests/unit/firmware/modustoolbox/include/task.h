/* FreeRTOS API reference, "Task Creation", "Task Control", "RTOS Kernel Control". Stack depths are in words. */
#ifndef THIN_TASK_H
#define THIN_TASK_H

#include "FreeRTOS.h"

typedef struct thin_task *TaskHandle_t;
typedef void (*TaskFunction_t)(void *argument);

TaskHandle_t xTaskCreateStatic(TaskFunction_t code, const char *name, uint32_t stack_depth, void *argument,
                               UBaseType_t priority, StackType_t *stack, StaticTask_t *task);
void vTaskStartScheduler(void);
void vTaskDelay(TickType_t ticks);
void vTaskSuspend(TaskHandle_t task);
TickType_t xTaskGetTickCount(void);

/* Macros there. */
void taskENTER_CRITICAL(void);
void taskEXIT_CRITICAL(void);
void taskDISABLE_INTERRUPTS(void);

/* "Hook functions": the application's, called by the kernel. */
void vApplicationStackOverflowHook(TaskHandle_t task, char *name);

#endif
