/* retarget-io, "Retarget IO": printf and its kind go to a UART. The call is a macro there. */
#ifndef THIN_CY_RETARGET_IO_H
#define THIN_CY_RETARGET_IO_H

#include "cyhal.h"

#define CY_RETARGET_IO_BAUDRATE 115200

cy_rslt_t cy_retarget_io_init(cyhal_gpio_t tx, cyhal_gpio_t rx, uint32_t baud);

#endif
