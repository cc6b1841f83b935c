/* A small strict JSON reader that pulls one token after another.
 *
 * Not recursive, no memory but the reader itself. It enforces RFC 8259's
 * grammar, a depth limit and well-formed UTF-8; the end of the text must be
 * the end of the value. Repeated keys are the caller's to see, who knows which
 * keys there are; es_json_skip refuses them nowhere. */
#ifndef ES_JSON_H
#define ES_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"

#define ES_JSON_DEPTH 8

typedef enum {
    ES_JSON_END, /* after the last token, and after an error */
    ES_JSON_OBJECT,
    ES_JSON_OBJECT_END,
    ES_JSON_ARRAY,
    ES_JSON_ARRAY_END,
    ES_JSON_KEY,
    ES_JSON_STRING,
    ES_JSON_NUMBER,
    ES_JSON_TRUE,
    ES_JSON_FALSE,
    ES_JSON_NULL
} es_json_kind;

typedef struct {
    const char *text;
    size_t size;
    size_t at;
    es_status status; /* the first error; ES_OK so far */
    uint8_t depth;
    uint8_t expect;
    char stack[ES_JSON_DEPTH]; /* '{' or '[' */
    /* The last key, string or number as it stands in the text, without quotes. */
    const char *value;
    size_t value_size;
} es_json;

void es_json_open(es_json *j, const char *text, size_t size);

/* The next token. */
es_json_kind es_json_next(es_json *j);

/* Decodes the last key or string into `out`, NUL-terminated. A string that does
 * not fit, or that contains a NUL character, is an error. */
es_status es_json_string(es_json *j, char *out, size_t size);

/* The last number as an integer; false if it is none, or outside [low, high]. */
bool es_json_integer(const es_json *j, int32_t low, int32_t high, int32_t *out);

/* Reads on to the end of the value that `kind` began. */
void es_json_skip(es_json *j, es_json_kind kind);

#endif
