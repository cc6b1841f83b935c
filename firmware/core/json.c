#include "json.h"

#include <string.h>

/* What may come next. */
enum { EXPECT_VALUE, EXPECT_VALUE_OR_END, EXPECT_KEY, EXPECT_KEY_OR_END, EXPECT_COMMA_OR_END, EXPECT_NOTHING };

static es_json_kind fail(es_json *j, es_status status)
{
    if (j->status == ES_OK) {
        j->status = status;
    }
    j->at = j->size;
    return ES_JSON_END;
}

void es_json_open(es_json *j, const char *text, size_t size)
{
    memset(j, 0, sizeof *j);
    j->text = text;
    j->size = size;
    j->expect = EXPECT_VALUE;
}

/* The character at the reading position; -1 at the end. */
static int peek(const es_json *j)
{
    return j->at < j->size ? (unsigned char)j->text[j->at] : -1;
}

static void skip_space(es_json *j)
{
    while (peek(j) == ' ' || peek(j) == '\t' || peek(j) == '\n' || peek(j) == '\r') {
        j->at++;
    }
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits at `p`, or -1. */
static int32_t unicode_escape(const char *p, const char *end)
{
    int32_t value = 0;
    int i;

    if (end - p < 4) {
        return -1;
    }
    for (i = 0; i < 4; i++) {
        const int digit = hex_digit((unsigned char)p[i]);

        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* Length of the well-formed UTF-8 sequence at `p` (no surrogates, nothing
 * overlong), or 0. */
static size_t utf8_length(const char *p, const char *end)
{
    const unsigned char *b = (const unsigned char *)p;
    const size_t left = (size_t)(end - p);
    const size_t n = b[0] < 0x80 ? 1 : b[0] >= 0xC2 && b[0] < 0xE0 ? 2 : b[0] >= 0xE0 && b[0] < 0xF0 ? 3 : 4;
    size_t i;

    if (n > left || b[0] > 0xF4 || (b[0] >= 0x80 && b[0] < 0xC2)) {
        return 0;
    }
    for (i = 1; i < n; i++) {
        if ((b[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    if ((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F) || (b[0] == 0xF0 && b[1] < 0x90) ||
        (b[0] == 0xF4 && b[1] > 0x8F)) {
        return 0;
    }
    return n;
}

/* One character or escape of a string at *p: its code point, or -1. Advances. */
static int32_t read_character(const char **p, const char *end)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const unsigned char c = (unsigned char)**p;
    int32_t code;

    if (c < 0x20) {
        return -1;
    }
    if (c != '\\') {
        const size_t n = utf8_length(*p, end);
        size_t i;

        if (n == 0) {
            return -1;
        }
        code = n == 1 ? c : n == 2 ? c & 0x1F : n == 3 ? c & 0x0F : c & 0x07;
        for (i = 1; i < n; i++) {
            code = code * 64 + ((unsigned char)(*p)[i] & 0x3F);
        }
        *p += n;
        return code;
    }
    if (end - *p < 2) {
        return -1;
    }
    if ((*p)[1] != 'u') {
        const char *known = (*p)[1] == '\0' ? NULL : strchr(escapes, (*p)[1]);

        *p += 2;
        return known == NULL ? -1 : meanings[known - escapes];
    }
    code = unicode_escape(*p + 2, end);
    *p += 6;
    if (code >= 0xD800 && code < 0xDC00) {
        int32_t low = -1;

        if (end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
            low = unicode_escape(*p + 2, end);
        }
        *p += 6;
        return low >= 0xDC00 && low < 0xE000 ? 0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00) : -1;
    }
    return code >= 0xDC00 && code < 0xE000 ? -1 : code;
}

/* A string's text between its quotes; the reading position is behind them. */
static bool scan_string(es_json *j)
{
    const char *end = j->text + j->size;
    const char *p = j->text + j->at + 1;

    j->value = p;
    while (p < end && *p != '"') {
        if (read_character(&p, end) < 0) {
            return false;
        }
    }
    if (p >= end) {
        return false;
    }
    j->value_size = (size_t)(p - j->value);
    j->at = (size_t)(p - j->text) + 1;
    return true;
}

static bool scan_digits(es_json *j)
{
    const size_t start = j->at;

    while (peek(j) >= '0' && peek(j) <= '9') {
        j->at++;
    }
    return j->at > start;
}

static bool scan_number(es_json *j)
{
    j->value = j->text + j->at;
    if (peek(j) == '-') {
        j->at++;
    }
    if (peek(j) == '0') {
        j->at++;
    } else if (!scan_digits(j)) {
        return false;
    }
    if (peek(j) == '.') {
        j->at++;
        if (!scan_digits(j)) {
            return false;
        }
    }
    if (peek(j) == 'e' || peek(j) == 'E') {
        j->at++;
        if (peek(j) == '+' || peek(j) == '-') {
            j->at++;
        }
        if (!scan_digits(j)) {
            return false;
        }
    }
    j->value_size = (size_t)(j->text + j->at - j->value);
    return true;
}

static bool scan_word(es_json *j, const char *word)
{
    const size_t n = strlen(word);

    if (j->size - j->at < n || memcmp(j->text + j->at, word, n) != 0) {
        return false;
    }
    j->at += n;
    return true;
}

/* After a complete value: what may follow it. */
static void value_done(es_json *j)
{
    j->expect = j->depth == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
}

static es_json_kind open_container(es_json *j, char bracket)
{
    if (j->depth == ES_JSON_DEPTH) {
        return fail(j, ES_ERR_JSON_DEPTH);
    }
    j->stack[j->depth++] = bracket;
    j->at++;
    j->expect = bracket == '{' ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return bracket == '{' ? ES_JSON_OBJECT : ES_JSON_ARRAY;
}

static es_json_kind close_container(es_json *j, char bracket)
{
    if (j->stack[j->depth - 1] != bracket) {
        return fail(j, ES_ERR_JSON_SYNTAX);
    }
    j->depth--;
    j->at++;
    value_done(j);
    return bracket == '{' ? ES_JSON_OBJECT_END : ES_JSON_ARRAY_END;
}

static es_json_kind read_value(es_json *j)
{
    es_json_kind kind;

    switch (peek(j)) {
    case '{':
        return open_container(j, '{');
    case '[':
        return open_container(j, '[');
    case '"':
        kind = scan_string(j) ? ES_JSON_STRING : ES_JSON_END;
        break;
    case 't':
        kind = scan_word(j, "true") ? ES_JSON_TRUE : ES_JSON_END;
        break;
    case 'f':
        kind = scan_word(j, "false") ? ES_JSON_FALSE : ES_JSON_END;
        break;
    case 'n':
        kind = scan_word(j, "null") ? ES_JSON_NULL : ES_JSON_END;
        break;
    default:
        kind = scan_number(j) ? ES_JSON_NUMBER : ES_JSON_END;
        break;
    }
    if (kind == ES_JSON_END) {
        return fail(j, ES_ERR_JSON_SYNTAX);
    }
    value_done(j);
    return kind;
}

static es_json_kind read_key(es_json *j)
{
    if (peek(j) != '"' || !scan_string(j)) {
        return fail(j, ES_ERR_JSON_SYNTAX);
    }
    skip_space(j);
    if (peek(j) != ':') {
        return fail(j, ES_ERR_JSON_SYNTAX);
    }
    j->at++;
    j->expect = EXPECT_VALUE;
    return ES_JSON_KEY;
}

es_json_kind es_json_next(es_json *j)
{
    if (j->status != ES_OK) {
        return ES_JSON_END;
    }
    skip_space(j);
    if (j->expect == EXPECT_NOTHING) {
        return peek(j) < 0 ? ES_JSON_END : fail(j, ES_ERR_JSON_SYNTAX);
    }
    if (j->expect == EXPECT_COMMA_OR_END && peek(j) == ',') {
        j->at++;
        skip_space(j);
        j->expect = j->stack[j->depth - 1] == '{' ? EXPECT_KEY : EXPECT_VALUE;
    } else if (j->expect == EXPECT_COMMA_OR_END || j->expect == EXPECT_KEY_OR_END ||
               j->expect == EXPECT_VALUE_OR_END) {
        if (peek(j) == '}') {
            return close_container(j, '{');
        }
        if (peek(j) == ']') {
            return close_container(j, '[');
        }
        if (j->expect == EXPECT_COMMA_OR_END) {
            return fail(j, ES_ERR_JSON_SYNTAX);
        }
    }
    return j->expect == EXPECT_KEY || j->expect == EXPECT_KEY_OR_END ? read_key(j) : read_value(j);
}

/* Appends a code point as UTF-8; false if it does not fit. */
static bool append(char *out, size_t size, size_t *used, int32_t code)
{
    char bytes[4];
    size_t n;

    if (code < 0x80) {
        bytes[0] = (char)code;
        n = 1;
    } else if (code < 0x800) {
        bytes[0] = (char)(0xC0 | (code >> 6));
        bytes[1] = (char)(0x80 | (code & 0x3F));
        n = 2;
    } else if (code < 0x10000) {
        bytes[0] = (char)(0xE0 | (code >> 12));
        bytes[1] = (char)(0x80 | ((code >> 6) & 0x3F));
        bytes[2] = (char)(0x80 | (code & 0x3F));
        n = 3;
    } else {
        bytes[0] = (char)(0xF0 | (code >> 18));
        bytes[1] = (char)(0x80 | ((code >> 12) & 0x3F));
        bytes[2] = (char)(0x80 | ((code >> 6) & 0x3F));
        bytes[3] = (char)(0x80 | (code & 0x3F));
        n = 4;
    }
    if (*used + n >= size) {
        return false;
    }
    memcpy(out + *used, bytes, n);
    *used += n;
    return true;
}

es_status es_json_string(es_json *j, char *out, size_t size)
{
    const char *p = j->value;
    const char *end = p + j->value_size;
    size_t used = 0;

    while (p < end) {
        const int32_t code = read_character(&p, end);

        if (code <= 0) {
            (void)fail(j, ES_ERR_JSON_SYNTAX);
            return j->status;
        }
        if (!append(out, size, &used, code)) {
            (void)fail(j, ES_ERR_JSON_SIZE);
            return j->status;
        }
    }
    out[used] = '\0';
    return ES_OK;
}

bool es_json_integer(const es_json *j, int32_t low, int32_t high, int32_t *out)
{
    const bool negative = j->value_size > 0 && j->value[0] == '-';
    int64_t value = 0;
    size_t i;

    if (j->value_size > 10u + negative) {
        return false;
    }
    for (i = negative; i < j->value_size; i++) {
        if (j->value[i] < '0' || j->value[i] > '9') {
            return false;
        }
        value = value * 10 + (j->value[i] - '0');
    }
    value = negative ? -value : value;
    if (value < low || value > high) {
        return false;
    }
    *out = (int32_t)value;
    return true;
}

void es_json_skip(es_json *j, es_json_kind kind)
{
    unsigned open = kind == ES_JSON_OBJECT || kind == ES_JSON_ARRAY ? 1 : 0;

    while (open > 0 && j->status == ES_OK) {
        const es_json_kind next = es_json_next(j);

        if (next == ES_JSON_OBJECT || next == ES_JSON_ARRAY) {
            open++;
        } else if (next == ES_JSON_OBJECT_END || next == ES_JSON_ARRAY_END) {
            open--;
        }
    }
}
