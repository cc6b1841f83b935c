/* Board support packages TARGET_CY8CPROTO-062-4343W and TARGET_CY8CKIT-062S2-43012, "Pin Mappings". */
#ifndef THIN_CYBSP_H
#define THIN_CYBSP_H

#include "cyhal.h"

cy_rslt_t cybsp_init(void);

#define CYBSP_DEBUG_UART_TX ((cyhal_gpio_t)1)
#define CYBSP_DEBUG_UART_RX ((cyhal_gpio_t)2)
#define CYBSP_USER_LED ((cyhal_gpio_t)3)
#if defined(ES_BOARD_CY8CPROTO_062_4343W)
#define CYBSP_PDM_CLK ((cyhal_gpio_t)4)
#define CYBSP_PDM_DATA ((cyhal_gpio_t)5)
#else
#define CYBSP_A4 ((cyhal_gpio_t)4)
#define CYBSP_A5 ((cyhal_gpio_t)5)
#endif

#endif
