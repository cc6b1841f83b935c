/* What differs from board to board: its name, its pins, its microphone.
 *
 * Headers of this folder have names of their own kind: ModusToolbox puts the
 * folder on the include path of every vendor library. */
#ifndef ES_BOARD_H
#define ES_BOARD_H

#include "cybsp.h"

/* ES_BOARD_NAME is the board of job documents, images and reports. The pins of
 * PDM clock and data are P10_4 and P10_5 of the chip on both boards. */
#if defined(ES_BOARD_CY8CPROTO_062_4343W)
#define ES_BOARD_NAME "CY8CPROTO_062_4343W"
#define ES_PIN_PDM_CLOCK CYBSP_PDM_CLK
#define ES_PIN_PDM_DATA CYBSP_PDM_DATA
#elif defined(ES_BOARD_CY8CKIT_062S2_43012)
/* The microphone of the shield, CY8CKIT-028-TFT or CY8CKIT-028-SENSE, on the Arduino header. */
#define ES_BOARD_NAME "CY8CKIT_062S2_43012"
#define ES_PIN_PDM_CLOCK CYBSP_A4
#define ES_PIN_PDM_DATA CYBSP_A5
#else
#error "unknown board: build with TARGET=APP_CY8CPROTO-062-4343W or TARGET=APP_CY8CKIT-062S2-43012, or add it here"
#endif

/* The red user LED: its other end is at the supply, so low is on. */
#define ES_PIN_LED CYBSP_USER_LED

/* The board package gives its first PLL to the system; the second is free for audio. */
#define ES_AUDIO_PLL 1

/* Speech at arm's length must come near full scale, about 20 times the raw
 * level: 10.5 dB (3.3 times, the converter's most) and 6 times in software. */
#define ES_MICROPHONE_HALF_DECIBELS 21
#define ES_MICROPHONE_FACTOR 6

#endif
