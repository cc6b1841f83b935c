/* FreeRTOS for this board. The vendor's library has only a template of this
 * file, which warns when it is used. Other than in the template:
 *
 *   no tickless idle     the microphone never stops, and deep sleep would stop
 *                        its clock
 *   no malloc hook       the vendor's libraries, which alone use the heap,
 *                        report what they could not get; this port allocates
 *                        nothing
 *
 * The rest is what those libraries ask for: mutexes, timers, thread-local
 * storage, newlib's reentrancy, the C library's heap. The memory of the idle
 * and the timer task is abstraction-rtos's. */
#ifndef FREERTOS_CONFIG_H
#define FREERTOS_CONFIG_H

#include <stdint.h>

extern uint32_t SystemCoreClock;

#define configUSE_PREEMPTION 1
#define configCPU_CLOCK_HZ SystemCoreClock
#define configTICK_RATE_HZ 1000u
#define configMAX_PRIORITIES 7
#define configMINIMAL_STACK_SIZE 128
#define configMAX_TASK_NAME_LEN 16
#define configUSE_16_BIT_TICKS 0
#define configIDLE_SHOULD_YIELD 1
#define configUSE_TICKLESS_IDLE 0

#define configUSE_MUTEXES 1
#define configUSE_RECURSIVE_MUTEXES 1
#define configUSE_COUNTING_SEMAPHORES 1
#define configQUEUE_REGISTRY_SIZE 0
#define configNUM_THREAD_LOCAL_STORAGE_POINTERS 16
#define configUSE_NEWLIB_REENTRANT 1
#define configENABLE_BACKWARD_COMPATIBILITY 0

/* Heap 3 is the C library's malloc with the scheduler held. */
#define HEAP_ALLOCATION_TYPE1 1
#define HEAP_ALLOCATION_TYPE2 2
#define HEAP_ALLOCATION_TYPE3 3
#define HEAP_ALLOCATION_TYPE4 4
#define HEAP_ALLOCATION_TYPE5 5
#define NO_HEAP_ALLOCATION 0
#define configHEAP_ALLOCATION_SCHEME HEAP_ALLOCATION_TYPE3
#define configSUPPORT_STATIC_ALLOCATION 1
#define configSUPPORT_DYNAMIC_ALLOCATION 1

/* A stack that overflows stops the board in main.c; the watchdog restarts it. */
#define configCHECK_FOR_STACK_OVERFLOW 2
#define configUSE_IDLE_HOOK 0
#define configUSE_TICK_HOOK 0
#define configUSE_MALLOC_FAILED_HOOK 0
#define configUSE_DAEMON_TASK_STARTUP_HOOK 0
#define configGENERATE_RUN_TIME_STATS 0
#define configUSE_TRACE_FACILITY 1
#define configUSE_CO_ROUTINES 0

#define configUSE_TIMERS 1
#define configTIMER_TASK_PRIORITY 4
#define configTIMER_QUEUE_LENGTH 10
#define configTIMER_TASK_STACK_DEPTH (configMINIMAL_STACK_SIZE * 4)

/* The chip has 3 bits of interrupt priority, in the top bits of a byte: the
 * kernel runs at 7, the lowest; 1 to 7 may call it, 0 is never held up. */
#define configKERNEL_INTERRUPT_PRIORITY 0xFF
#define configMAX_SYSCALL_INTERRUPT_PRIORITY 0x3F
#define configMAX_API_CALL_INTERRUPT_PRIORITY configMAX_SYSCALL_INTERRUPT_PRIORITY

#define INCLUDE_vTaskPrioritySet 1
#define INCLUDE_uxTaskPriorityGet 1
#define INCLUDE_vTaskDelete 1
#define INCLUDE_vTaskSuspend 1
#define INCLUDE_vTaskDelayUntil 1
#define INCLUDE_vTaskDelay 1
#define INCLUDE_xTaskGetCurrentTaskHandle 1
#define INCLUDE_xTaskGetSchedulerState 1
#define INCLUDE_uxTaskGetStackHighWaterMark 1
#define INCLUDE_eTaskGetState 1
#define INCLUDE_xTimerPendFunctionCall 1

/* Stopped where it happened, for a debugger; without one the watchdog acts. */
#define configASSERT(x)                                                                                           \
    if ((x) == 0) {                                                                                               \
        taskDISABLE_INTERRUPTS();                                                                                 \
        for (;;) {                                                                                                \
        }                                                                                                         \
    }

#define vPortSVCHandler SVC_Handler
#define xPortPendSVHandler PendSV_Handler
#define xPortSysTickHandler SysTick_Handler

#endif
