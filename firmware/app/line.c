#include "line.h"

static void flush(es_line *l)
{
    l->uart->write(l->uart->context, l->text, l->used);
    l->used = 0;
}

static void put(es_line *l, char c)
{
    if (l->used == sizeof l->text) {
        flush(l);
    }
    l->text[l->used++] = c;
}

void es_line_begin(es_line *l, const es_uart *uart, const char *word)
{
    l->uart = uart;
    l->used = 0;
    es_line_text(l, word);
}

void es_line_text(es_line *l, const char *text)
{
    for (; *text != '\0'; text++) {
        put(l, *text);
    }
}

void es_line_name(es_line *l, char separator, const char *name)
{
    put(l, separator);
    for (; *name != '\0'; name++) {
        const unsigned char c = (unsigned char)*name;

        put(l, c <= ' ' || c == ',' || c == 0x7F ? '_' : *name);
    }
}

void es_line_number(es_line *l, uint32_t value)
{
    char digits[10];
    unsigned n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(l, ' ');
    while (n > 0) {
        put(l, digits[--n]);
    }
}

void es_line_end(es_line *l)
{
    put(l, '\n');
    flush(l);
}
