/* Lines of text for a UART, without printf, which would cost a board kilobytes.
 *
 * A line of up to ES_LINE_BYTES is one write, so that the lines of several
 * tasks do not mix; a longer one is written in parts. */
#ifndef ES_LINE_H
#define ES_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "../hal/uart.h"

#define ES_LINE_BYTES 96u

typedef struct {
    const es_uart *uart;
    size_t used;
    char text[ES_LINE_BYTES];
} es_line;

/* Begins a line with its first word. */
void es_line_begin(es_line *l, const es_uart *uart, const char *word);

/* Text, as it is. */
void es_line_text(es_line *l, const char *text);

/* A separator and a name; bytes that would break the line or the name apart are shown as '_'. */
void es_line_name(es_line *l, char separator, const char *name);

/* A space and a number. */
void es_line_number(es_line *l, uint32_t value);

/* Ends the line and writes it. */
void es_line_end(es_line *l);

#endif
