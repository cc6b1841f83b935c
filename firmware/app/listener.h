/* The program of every port: hears a stream of samples, shows words with a
 * light, says them on a UART.
 *
 * The light: the first keyword of the model's labels is bright, the second dim,
 * anything else off; a word is shown for ES_LISTENER_SHOW_MS of audio.
 *
 * The UART, one event a line of plain text:
 *
 *   earshot VERSION FRONTEND LABEL,LABEL,… arena BYTES   at the start
 *   word LABEL SCORE AT_MS                               score 0..255
 *   lost SAMPLES TOTAL                                   in this gap, since the start
 *   error CODE SENTENCE                                  by es_listener_open
 *
 * AT_MS counts the audio that was heard; what was lost is not in it. It wraps
 * after 2^32 ms, 49.7 days.
 *
 * Lost samples are reported and skipped over: features go on with the sample
 * after the gap. A reset would forget the noise estimate and fill the window
 * with silence, which makes a board deaf for about a second; a gap costs at
 * most the word that it falls into. */
#ifndef ES_LISTENER_H
#define ES_LISTENER_H

#include <stdbool.h>

#include "../core/classifier.h"
#include "../core/stream.h"
#include "../hal/audio.h"
#include "../hal/led.h"
#include "../hal/uart.h"

#define ES_LISTENER_SHOW_MS 1000u
#define ES_LED_BRIGHT 255u
#define ES_LED_DIM 24u

typedef struct es_listener {
    es_classifier *classifier;
    const es_audio *audio;
    const es_led *led;
    const es_uart *uart;
    es_stream stream;
    int16_t samples[ES_FRONTEND_STEP];
    uint8_t brightness;  /* of the light, now */
    uint32_t shown;      /* samples heard since it was set */
    size_t count;        /* samples heard in the last step */
    bool heard;          /* the last step heard `word` */
    es_word word;        /* the last word */
    uint32_t lost;       /* samples lost before the last step */
    uint32_t lost_total; /* since the start; wraps */
} es_listener;

/* Opens a model and runs it on silence and on the loudest input. What is
 * refused is said on the UART. Arguments and errors as of es_classifier_open,
 * and ES_ERR_SELF_TEST. */
es_status es_listener_open(es_classifier *c, const uint8_t *model, size_t size, void *arena, size_t arena_size,
                           const es_uart *uart);

/* Prints the model's line, turns the LED off. The classifier is open; it and
 * the three devices must stay where they are. */
void es_listener_start(es_listener *l, es_classifier *c, const char *version, const es_audio *audio, const es_led *led,
                       const es_uart *uart);

/* Reads what the audio source has (waits for at most a step of 20 ms), hears,
 * shows. A step hears at most one word. ES_OK, or the audio's error; *ended at
 * the end of a file. */
es_status es_listener_step(es_listener *l, bool *ended);

#endif
