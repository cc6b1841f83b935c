#include "job.h"

#include <string.h>

#include "../core/json.h"

/* The fields that are read, by number. */
enum { MESSAGE, BOARD, VERSION, CONNECTION, SERVER, PORT, FILE_PATH, SIZE, SHA256, FIELDS };

static const char *const keys[FIELDS] = {"message", "board", "version", "connection", "server",
                                         "port",    "file",  "size",    "sha256"};

typedef struct {
    char message[32];
    char board[ES_BOARD_BYTES + 1];
    char version[ES_VERSION_TEXT];
    char connection[8];
    char server[ES_HOST_BYTES + 1];
    char port[8];
    char file[ES_PATH_BYTES + 1];
    char size[12];
    char sha256[2 * ES_SHA256_BYTES + 1];
} fields;

/* Equal but for the case of ASCII letters; `b` is in lower case. */
static bool same_key(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        const char lower = *a >= 'A' && *a <= 'Z' ? (char)(*a - 'A' + 'a') : *a;

        if (lower != *b) {
            return false;
        }
    }
    return *a == *b;
}

static es_status malformed(const es_json *j)
{
    return j->status == ES_ERR_JSON_SIZE ? ES_ERR_JOB_FIELD : ES_ERR_JOB_MALFORMED;
}

static es_status read_fields(fields *f, es_json *j, unsigned *seen)
{
    char *const values[FIELDS] = {f->message, f->board, f->version, f->connection, f->server,
                                  f->port,    f->file,  f->size,    f->sha256};
    const size_t sizes[FIELDS] = {sizeof f->message, sizeof f->board, sizeof f->version,
                                  sizeof f->connection, sizeof f->server, sizeof f->port,
                                  sizeof f->file, sizeof f->size, sizeof f->sha256};
    es_json_kind kind;

    if (es_json_next(j) != ES_JSON_OBJECT) {
        return ES_ERR_JOB_MALFORMED;
    }
    while ((kind = es_json_next(j)) == ES_JSON_KEY) {
        char key[64];
        unsigned i;

        if (es_json_string(j, key, sizeof key) != ES_OK) {
            return malformed(j);
        }
        for (i = 0; i < FIELDS && !same_key(key, keys[i]); i++) {
        }
        kind = es_json_next(j);
        if (i == FIELDS) {
            es_json_skip(j, kind);
            continue;
        }
        if (kind != ES_JSON_STRING || (*seen >> i & 1) != 0) {
            return j->status != ES_OK ? malformed(j) : ES_ERR_JOB_FIELD;
        }
        *seen |= 1u << i;
        if (es_json_string(j, values[i], sizes[i]) != ES_OK) {
            return malformed(j);
        }
    }
    return kind == ES_JSON_OBJECT_END && es_json_next(j) == ES_JSON_END && j->status == ES_OK ? ES_OK : malformed(j);
}

/* A decimal number without sign or leading zeros, at most `limit`. */
static bool read_number(const char *text, uint32_t limit, uint32_t *out)
{
    uint64_t value = 0;
    size_t i;

    for (i = 0; text[i] >= '0' && text[i] <= '9' && i < 10; i++) {
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = (uint32_t)value;
    return i > 0 && text[i] == '\0' && value > 0 && value <= limit && text[0] != '0';
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_digest(const char *text, uint8_t digest[ES_SHA256_BYTES])
{
    size_t i;

    if (strlen(text) != 2 * ES_SHA256_BYTES) {
        return false;
    }
    for (i = 0; i < ES_SHA256_BYTES; i++) {
        const int high = hex_digit(text[2 * i]);
        const int low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        digest[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

/* Characters that can stand in a request line or a Host field as they are. */
static bool is_plain(const char *text, bool host)
{
    for (; *text != '\0'; text++) {
        const bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        const bool digit = *text >= '0' && *text <= '9';

        if (host ? !letter && !digit && *text != '.' && *text != '-' : *text <= ' ' || *text > '~' || *text == '#') {
            return false;
        }
    }
    return true;
}

es_status es_job_parse(es_job *job, const char *text, size_t size)
{
    fields f;
    es_json j;
    unsigned seen = 0;
    uint32_t port;
    es_status status;

    memset(job, 0, sizeof *job);
    memset(&f, 0, sizeof f);
    if (size > ES_JOB_BYTES) {
        return ES_ERR_JOB_SIZE;
    }
    es_json_open(&j, text, size);
    status = read_fields(&f, &j, &seen);
    if (status != ES_OK) {
        return status;
    }
    if (strcmp(f.message, "No Update Available") == 0) {
        return ES_OK;
    }
    if (strcmp(f.message, "Update Available") != 0 || seen != (1u << FIELDS) - 1) {
        return ES_ERR_JOB_FIELD;
    }
    if (f.board[0] == '\0' || f.server[0] == '\0' || f.file[0] != '/' || !is_plain(f.server, true) ||
        !is_plain(f.file, false) || !es_version_parse(f.version, &job->version) ||
        !read_number(f.port, UINT16_MAX, &port) || !read_number(f.size, INT32_MAX, &job->size) ||
        !read_digest(f.sha256, job->digest)) {
        return ES_ERR_JOB_FIELD;
    }
    job->tls = strcmp(f.connection, "HTTPS") == 0;
    if (!job->tls && strcmp(f.connection, "HTTP") != 0) {
        return ES_ERR_JOB_FIELD;
    }
    job->available = true;
    job->port = (uint16_t)port;
    memcpy(job->board, f.board, sizeof job->board);
    memcpy(job->server, f.server, sizeof job->server);
    memcpy(job->file, f.file, sizeof job->file);
    return ES_OK;
}
