/* An HTTP/1.1 client that takes only what it must.
 *
 * One connection, kept alive while server and port stay the same. An exchange
 * ends by one deadline, however slowly the bytes drip. Redirects, transfer
 * encodings, repeated or malformed framing headers, long headers and bodies of
 * another length than announced are refused. */
#ifndef ES_OTA_HTTP_H
#define ES_OTA_HTTP_H

#include "../hal/clock.h"
#include "../hal/net.h"
#include "job.h"
#include "journal.h"

#define ES_HTTP_HEADER_BYTES 2048
#define ES_HTTP_REQUEST_BYTES 1280
#define ES_HTTP_TIMEOUT_MS 15000

typedef struct {
    char host[ES_HOST_BYTES + 1];
    uint16_t port;
    bool tls;
    char path[ES_PATH_BYTES + 1];
} es_url;

typedef struct {
    const es_net *net;
    const es_clock *clock;
    uint32_t timeout_ms;
    bool connected;
    char host[ES_HOST_BYTES + 1];
    uint16_t port;
    bool tls;
    uint8_t buffer[ES_HTTP_HEADER_BYTES];
    size_t buffered;
} es_http;

typedef struct {
    unsigned status;
    bool has_length;
    bool has_range;
    bool keep_alive;
    uint32_t length;
    uint32_t range_first;
    uint32_t range_last;
    uint32_t range_total;
    char etag[ES_ETAG_BYTES + 1]; /* with its quotes; empty where absent or too long */
} es_http_answer;

/* http://host[:port][/path] or https://…, without user, query or fragment. */
es_status es_url_parse(es_url *url, const char *text);

void es_http_open(es_http *h, const es_net *net, const es_clock *clock, uint32_t timeout_ms);
void es_http_close(es_http *h);

/* GET of a whole small document: 200 with a body of answer->length bytes, or
 * 304 where `etag` (may be empty) was sent. */
es_status es_http_get(es_http *h, const es_url *url, const char *etag, uint8_t *body, size_t body_size,
                      es_http_answer *answer);

/* GET of bytes first..last, which must come as 206 with that very Content-Range. */
es_status es_http_get_range(es_http *h, const es_url *url, uint32_t first, uint32_t last, uint8_t *body,
                            es_http_answer *answer);

/* POST of a JSON body with a signature header; answer->status says the outcome,
 * the answer's body is not read. */
es_status es_http_post(es_http *h, const es_url *url, const char *signature, const char *body, size_t size,
                       es_http_answer *answer);

#endif
