#include "repository.h"

#include <string.h>

/* A path under construction. */
typedef struct {
    char *path; /* ES_PATH_BYTES + 1 of them */
    size_t used;
    bool overflow;
} builder;

static void add(builder *b, char c)
{
    if (b->used == ES_PATH_BYTES) {
        b->overflow = true;
        return;
    }
    b->path[b->used++] = c;
    b->path[b->used] = '\0';
}

static void add_hex(builder *b, uint8_t byte, const char *digits)
{
    add(b, digits[byte >> 4]);
    add(b, digits[byte & 15]);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* [text, end), percent-encoded where it must be. */
static void add_encoded(builder *b, const char *text, const char *end)
{
    for (; text < end; text++) {
        const char c = *text;
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           strchr("-._~!$&'()*+,;=:@/", c) != NULL;

        if (plain || (c == '%' && end - text > 2 && is_hex(text[1]) && is_hex(text[2]))) {
            add(b, c);
        } else {
            add(b, '%');
            add_hex(b, (uint8_t)c, "0123456789ABCDEF");
        }
    }
}

/* The folder's path, with a slash at its end. */
static void start(builder *b, es_url *url, const es_url *folder)
{
    *url = *folder;
    b->path = url->path;
    b->used = strlen(url->path);
    b->overflow = false;
    if (b->used == 0 || b->path[b->used - 1] != '/') {
        add(b, '/');
    }
}

es_status es_tuf_repository_fetch(void *context, const char *name, uint8_t *data, size_t limit, size_t *size)
{
    es_tuf_repository *repository = context;
    es_http_answer answer;
    es_url url;
    builder b;
    es_status status;

    start(&b, &url, &repository->metadata);
    add_encoded(&b, name, name + strlen(name));
    if (b.overflow) {
        return ES_ERR_URL;
    }
    status = es_http_get(repository->http, &url, "", data, limit, &answer);
    repository->http_status = answer.status;
    if (status == ES_ERR_HTTP_STATUS && (answer.status == 403 || answer.status == 404)) {
        return ES_ERR_TUF_ABSENT;
    }
    *size = status == ES_OK ? answer.length : 0;
    return status;
}

void es_tuf_repository_source(es_tuf_repository *repository, es_tuf_source *source)
{
    source->context = repository;
    source->fetch = es_tuf_repository_fetch;
}

es_status es_tuf_target_url(es_url *url, const es_url *folder, const char *path, const uint8_t *digest)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;
    builder b;
    int i;

    start(&b, url, folder);
    add_encoded(&b, path, last);
    if (digest != NULL) {
        for (i = 0; i < ES_SHA256_BYTES; i++) {
            add_hex(&b, digest[i], "0123456789abcdef");
        }
        add(&b, '.');
    }
    add_encoded(&b, last, last + strlen(last));
    return b.overflow ? ES_ERR_URL : ES_OK;
}
