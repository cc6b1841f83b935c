/* FreeRTOS API reference, "Semaphores / Mutexes": macros there. */
#ifndef THIN_SEMPHR_H
#define THIN_SEMPHR_H

#include "FreeRTOS.h"

typedef struct thin_semaphore *SemaphoreHandle_t;

SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t *memory);
SemaphoreHandle_t xSemaphoreCreateBinaryStatic(StaticSemaphore_t *memory);
BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks);
BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore);
BaseType_t xSemaphoreGiveFromISR(SemaphoreHandle_t semaphore, BaseType_t *woken);

#endif
