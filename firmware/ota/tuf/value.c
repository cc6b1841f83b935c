#include "value.h"

#include <string.h>

/* Bytes of the escape at `p`, which is well-formed: \n, \uXXXX, or two of the latter for a surrogate pair. */
static size_t escape_size(const char *p)
{
    if (p[1] != 'u') {
        return 2;
    }
    return (p[2] == 'd' || p[2] == 'D') && strchr("89abAB", p[3]) != NULL ? 12 : 6;
}

void es_tuf_bytes_start(es_tuf_bytes *bytes, const es_tuf_value *string)
{
    bytes->at = string->text + 1;
    bytes->end = string->text + string->size - 1;
    bytes->decoded[0] = '\0';
    bytes->next = 0;
}

int es_tuf_bytes_next(es_tuf_bytes *bytes)
{
    es_json escape;

    if (bytes->decoded[bytes->next] != '\0') {
        return (unsigned char)bytes->decoded[bytes->next++];
    }
    if (bytes->at == bytes->end) {
        return -1;
    }
    if (*bytes->at != '\\') {
        return (unsigned char)*bytes->at++;
    }
    es_json_open(&escape, bytes->at, escape_size(bytes->at));
    escape.value = bytes->at;
    escape.value_size = escape.size;
    bytes->at += escape.size;
    bytes->next = 1;
    return es_json_string(&escape, bytes->decoded, sizeof bytes->decoded) == ES_OK
               ? (unsigned char)bytes->decoded[0]
               : -2;
}

/* Whether a NUL character is among the string's. */
static bool has_nul(const es_json *j)
{
    es_tuf_bytes bytes;
    int byte;

    if (memchr(j->value, '\\', j->value_size) == NULL) {
        return false;
    }
    bytes.at = j->value;
    bytes.end = j->value + j->value_size;
    bytes.decoded[0] = '\0';
    bytes.next = 0;
    do {
        byte = es_tuf_bytes_next(&bytes);
    } while (byte >= 0);
    return byte == -2;
}

static bool is_integer(const es_json *j)
{
    size_t i;

    for (i = 0; i < j->value_size; i++) {
        if (j->value[i] != '-' && (j->value[i] < '0' || j->value[i] > '9')) {
            return false;
        }
    }
    return true;
}

es_status es_tuf_value_check(es_tuf_value *value, const char *text, size_t size)
{
    es_json j;
    es_json_kind kind;

    es_json_open(&j, text, size);
    kind = es_json_next(&j);
    value->kind = kind;
    /* Where the first token ends, less what it is made of: an object or array begins one byte before. */
    value->text = text + j.at - 1;
    value->size = 0;
    if (kind != ES_JSON_END && kind != ES_JSON_OBJECT && kind != ES_JSON_ARRAY) {
        return ES_ERR_TUF_FIELD;
    }
    while (kind != ES_JSON_END) {
        if (kind == ES_JSON_NUMBER && !is_integer(&j)) {
            return ES_ERR_TUF_NUMBER;
        }
        if ((kind == ES_JSON_KEY || kind == ES_JSON_STRING) && has_nul(&j)) {
            return ES_ERR_JSON_SYNTAX;
        }
        value->size = (size_t)(text + j.at - value->text);
        kind = es_json_next(&j);
    }
    return j.status;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
        p++;
    }
    return p;
}

/* The value at `p`. */
static const char *read_value(const char *p, const char *end, es_tuf_value *value)
{
    es_json j;

    es_json_open(&j, p, (size_t)(end - p));
    value->text = p;
    value->kind = es_json_next(&j);
    es_json_skip(&j, value->kind);
    value->size = j.at;
    return p + j.at;
}

void es_tuf_walk_start(es_tuf_walk *walk, const es_tuf_value *container)
{
    walk->at = container->text + 1;
    walk->end = container->text + container->size;
    walk->object = container->kind == ES_JSON_OBJECT;
}

bool es_tuf_walk_next(es_tuf_walk *walk, es_tuf_value *key, es_tuf_value *value)
{
    es_tuf_value unused;
    const char *p = skip_space(walk->at, walk->end);

    if (p < walk->end && *p == ',') {
        p = skip_space(p + 1, walk->end);
    }
    if (p >= walk->end || *p == '}' || *p == ']') {
        walk->at = p < walk->end ? p + 1 : p;
        return false;
    }
    if (walk->object) {
        p = skip_space(read_value(p, walk->end, key != NULL ? key : &unused), walk->end);
        p = skip_space(p + 1, walk->end); /* the colon */
    }
    walk->at = read_value(p, walk->end, value);
    return true;
}

bool es_tuf_value_member(const es_tuf_value *object, const char *name, es_tuf_value *value)
{
    es_tuf_walk walk;
    es_tuf_value key;

    if (object->kind != ES_JSON_OBJECT) {
        return false;
    }
    es_tuf_walk_start(&walk, object);
    while (es_tuf_walk_next(&walk, &key, value)) {
        if (es_tuf_string_is(&key, name)) {
            return true;
        }
    }
    return false;
}

int es_tuf_string_compare(const es_tuf_value *a, const es_tuf_value *b)
{
    es_tuf_bytes left;
    es_tuf_bytes right;
    int l;
    int r;

    es_tuf_bytes_start(&left, a);
    es_tuf_bytes_start(&right, b);
    do {
        l = es_tuf_bytes_next(&left);
        r = es_tuf_bytes_next(&right);
    } while (l == r && l >= 0);
    return l - r;
}

bool es_tuf_string_is(const es_tuf_value *value, const char *text)
{
    es_tuf_bytes bytes;

    if (value->kind != ES_JSON_STRING) {
        return false;
    }
    es_tuf_bytes_start(&bytes, value);
    for (; *text != '\0'; text++) {
        if (es_tuf_bytes_next(&bytes) != (unsigned char)*text) {
            return false;
        }
    }
    return es_tuf_bytes_next(&bytes) == -1;
}

bool es_tuf_string_copy(const es_tuf_value *value, char *out, size_t size)
{
    es_json j;

    if (value->kind != ES_JSON_STRING) {
        return false;
    }
    es_json_open(&j, value->text, value->size);
    (void)es_json_next(&j);
    return es_json_string(&j, out, size) == ES_OK;
}

bool es_tuf_integer(const es_tuf_value *value, int32_t low, uint32_t *out)
{
    es_json j;
    int32_t number;

    if (value->kind != ES_JSON_NUMBER) {
        return false;
    }
    es_json_open(&j, value->text, value->size);
    (void)es_json_next(&j);
    if (!es_json_integer(&j, low, INT32_MAX, &number)) {
        return false;
    }
    *out = (uint32_t)number;
    return true;
}
