/* Any bytes as a server's answers to a GET, to a GET of a range and to a POST
 * over one connection, in pieces whose sizes the first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "ota/http.h"

enum { BODY = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const uint8_t *data;
    size_t size;
    size_t at;
    size_t piece;
} peer;

static es_status connect_peer(void *context, const char *host, uint16_t port, bool tls, uint64_t deadline)
{
    (void)context;
    (void)host;
    (void)port;
    (void)tls;
    (void)deadline;
    return ES_OK;
}

static es_status send_nothing(void *context, const void *data, size_t size, uint64_t deadline)
{
    (void)context;
    (void)data;
    (void)size;
    (void)deadline;
    return ES_OK;
}

static es_status receive(void *context, void *data, size_t size, size_t *received, uint64_t deadline)
{
    peer *p = context;
    size_t n = p->size - p->at;

    (void)deadline;
    n = n > p->piece ? p->piece : n;
    n = n > size ? size : n;
    if (n > 0) {
        memcpy(data, p->data + p->at, n);
    }
    p->at += n;
    *received = n;
    return ES_OK;
}

static void close_peer(void *context)
{
    (void)context;
}

static uint64_t no_time(void *context)
{
    (void)context;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static es_http http;
    static es_url url;
    static const es_clock clock = {NULL, no_time};
    es_http_answer answer;
    peer p = {data, size, 0, 1};
    const es_net net = {
        .context = &p, .connect = connect_peer, .send = send_nothing, .receive = receive, .close = close_peer};
    uint8_t *body = malloc(BODY);

    if (body == NULL || es_url_parse(&url, "http://a:8080/b") != ES_OK) {
        abort();
    }
    if (size > 0) {
        p.at = 1;
        p.piece = 1 + data[0];
    }
    es_http_open(&http, &net, &clock, 1000);
    if (es_http_get(&http, &url, "\"e\"", body, BODY, &answer) == ES_OK && answer.status != 304 &&
        answer.length > BODY) {
        abort();
    }
    if (es_http_get_range(&http, &url, 100, 100 + BODY - 1, body, &answer) == ES_OK && answer.length != BODY) {
        abort();
    }
    (void)es_http_post(&http, &url, "00", "{}", 2, &answer);
    es_http_close(&http);
    free(body);
    return 0;
}
