#include <stdio.h>

#include "FreeRTOS.h"
#include "cy_retarget_io.h"
#include "es_port.h"
#include "semphr.h"

static StaticSemaphore_t memory;
static SemaphoreHandle_t mutex;

static void write_text(void *context, const char *text, size_t size)
{
    (void)context;
    (void)xSemaphoreTake(mutex, portMAX_DELAY);
    (void)fwrite(text, 1, size, stdout);
    (void)fflush(stdout);
    (void)xSemaphoreGive(mutex);
}

bool es_uart_open(es_uart *uart)
{
    uart->context = NULL;
    uart->write = write_text;
    mutex = xSemaphoreCreateMutexStatic(&memory);
    return cy_retarget_io_init(CYBSP_DEBUG_UART_TX, CYBSP_DEBUG_UART_RX, CY_RETARGET_IO_BAUDRATE) == CY_RSLT_SUCCESS;
}
