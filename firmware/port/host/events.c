#include "events.h"

#include <stdio.h>

/* A JSON string; what is not ASCII text is escaped, byte by byte, so that a
 * file name in any encoding gives a valid line. */
static void put_string(const char *text)
{
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\') {
            (void)putchar('\\');
            (void)putchar(c);
        } else if (c < 0x20 || c >= 0x7F) {
            (void)printf("\\u%04x", c);
        } else {
            (void)putchar(c);
        }
    }
    (void)putchar('"');
}

static void put_key(const char *key)
{
    (void)printf(",\"%s\":", key);
}

void es_event_begin(const char *name)
{
    (void)printf("{\"event\":");
    put_string(name);
}

void es_event_text(const char *key, const char *text)
{
    put_key(key);
    put_string(text);
}

void es_event_number(const char *key, int64_t value)
{
    put_key(key);
    (void)printf("%lld", (long long)value);
}

void es_event_hex(const char *key, const uint8_t *bytes, size_t size)
{
    size_t i;

    put_key(key);
    (void)putchar('"');
    for (i = 0; i < size; i++) {
        (void)printf("%02x", bytes[i]);
    }
    (void)putchar('"');
}

void es_event_numbers(const char *key, const int8_t *values, size_t count)
{
    size_t i;

    put_key(key);
    (void)putchar('[');
    for (i = 0; i < count; i++) {
        (void)printf(i == 0 ? "%d" : ",%d", values[i]);
    }
    (void)putchar(']');
}

void es_event_end(void)
{
    (void)printf("}\n");
    (void)fflush(stdout);
}

void es_event_error(const char *file, const char *reason)
{
    es_event_begin("error");
    if (file != NULL) {
        es_event_text("file", file);
    }
    es_event_text("reason", reason);
    es_event_end();
}
