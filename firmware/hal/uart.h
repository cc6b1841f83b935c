/* Where a board prints its lines. */
#ifndef ES_HAL_UART_H
#define ES_HAL_UART_H

#include <stddef.h>

typedef struct es_uart {
    void *context;
    void (*write)(void *context, const char *text, size_t size);
} es_uart;

#endif
