/* From reset to newlib: copies initialised data, enables the floating point
 * unit, and leaves clearing .bss, argv and exit to newlib's semihosting. */
#include <stdint.h>

extern uint32_t __stack[];
extern uint32_t __data_load[];
extern uint32_t __data_start[];
extern uint32_t __data_end[];
extern void _start(void);

void Reset_Handler(void);
void Fault_Handler(void);

enum { COPROCESSOR_ACCESS = 0xE000ED88 };
enum { SYS_EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026, FAULT_STATUS = 99 };

void Reset_Handler(void)
{
    const uint32_t *from = __data_load;
    uint32_t *to = __data_start;

    while (to < __data_end) {
        *to++ = *from++;
    }
    *(volatile uint32_t *)COPROCESSOR_ACCESS |= 0xFu << 20;
    __asm volatile("dsb\n\tisb" ::: "memory");
    _start();
}

/* Any fault ends the emulator with a status of its own. */
void Fault_Handler(void)
{
    static uint32_t block[2] = {APPLICATION_EXIT, FAULT_STATUS};
    register uint32_t operation __asm("r0") = SYS_EXIT_EXTENDED;
    register uint32_t *argument __asm("r1") = block;

    __asm volatile("bkpt 0xAB" ::"r"(operation), "r"(argument) : "memory");
    for (;;) {
    }
}

/* Initial stack, reset, then the 14 exceptions of the core: none is expected. */
__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))(uintptr_t)__stack,
    Reset_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
    Fault_Handler,
};
