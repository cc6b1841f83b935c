/* Values of a JSON text that has been checked as a whole: each is the piece of
 * the text where it stands, so reading one takes no memory. */
#ifndef ES_OTA_TUF_VALUE_H
#define ES_OTA_TUF_VALUE_H

#include "../../core/json.h"

typedef struct {
    const char *text; /* with its quotes or brackets */
    size_t size;
    es_json_kind kind; /* the first token's */
} es_tuf_value;

/* A position within an object or array. */
typedef struct {
    const char *at; /* after the end of the container: behind its bracket */
    const char *end;
    bool object;
} es_tuf_walk;

/* A string's bytes after its escapes are resolved, one after another. */
typedef struct {
    const char *at;
    const char *end;
    char decoded[5]; /* of the last escape, NUL-terminated */
    uint8_t next;    /* index in decoded */
} es_tuf_bytes;

/* Checks all of a file: RFC 8259's grammar, UTF-8, at most ES_JSON_DEPTH levels
 * of nesting, numbers without fraction or exponent, no NUL character in a
 * string. What the functions below are given must come out of this one. */
es_status es_tuf_value_check(es_tuf_value *value, const char *text, size_t size);

/* Begins with the first member or item of an object or array. */
void es_tuf_walk_start(es_tuf_walk *walk, const es_tuf_value *container);

/* The next one, in the order of the file; false at the end. `key` is for
 * objects and may be NULL. */
bool es_tuf_walk_next(es_tuf_walk *walk, es_tuf_value *key, es_tuf_value *value);

/* The member with this name; false where there is none, or no object. */
bool es_tuf_value_member(const es_tuf_value *object, const char *name, es_tuf_value *value);

void es_tuf_bytes_start(es_tuf_bytes *bytes, const es_tuf_value *string);

/* The next byte, -1 at the end, -2 for a NUL character. */
int es_tuf_bytes_next(es_tuf_bytes *bytes);

/* Less than, equal to or greater than 0: by the bytes of UTF-8, which is the
 * order of code points. */
int es_tuf_string_compare(const es_tuf_value *a, const es_tuf_value *b);

/* Whether the value is a string with this text. */
bool es_tuf_string_is(const es_tuf_value *value, const char *text);

/* The text of a string, NUL-terminated; false if it is none or does not fit. */
bool es_tuf_string_copy(const es_tuf_value *value, char *out, size_t size);

/* An integer of [low, 2^31 - 1]; false if it is none. */
bool es_tuf_integer(const es_tuf_value *value, int32_t low, uint32_t *out);

#endif
