/* core-lib, "Result Type": 0 is success, anything else an error code. */
#ifndef THIN_CY_RESULT_H
#define THIN_CY_RESULT_H

#include <stdint.h>

typedef uint32_t cy_rslt_t;

#define CY_RSLT_SUCCESS ((cy_rslt_t)0)

#endif
