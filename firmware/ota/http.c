#include "http.h"

#include <string.h>

/* Text under construction in a fixed buffer. */
typedef struct {
    char *text;
    size_t size;
    size_t used;
    bool overflow;
} builder;

static void add_bytes(builder *b, const char *text, size_t n)
{
    if (b->size - b->used < n) {
        b->overflow = true;
        return;
    }
    memcpy(b->text + b->used, text, n);
    b->used += n;
}

static void add(builder *b, const char *text)
{
    add_bytes(b, text, strlen(text));
}

static void add_number(builder *b, uint32_t value)
{
    char digits[10];
    size_t n = sizeof digits;

    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    add_bytes(b, digits + n, sizeof digits - n);
}

/* An unsigned decimal number, all of [text, end), at most 2^32 - 1. */
static bool read_number(const char *text, const char *end, uint32_t *out)
{
    uint64_t value = 0;
    const char *p;

    if (text == end || end - text > 10) {
        return false;
    }
    for (p = text; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(*p - '0');
    }
    *out = (uint32_t)value;
    return value <= UINT32_MAX;
}

es_status es_url_parse(es_url *url, const char *text)
{
    const bool tls = strncmp(text, "https://", 8) == 0;
    const char *host = text + (tls ? 8 : 7);
    const char *end;
    const char *colon;
    size_t i;

    memset(url, 0, sizeof *url);
    if (!tls && strncmp(text, "http://", 7) != 0) {
        return ES_ERR_URL;
    }
    url->tls = tls;
    end = host + strcspn(host, "/");
    colon = memchr(host, ':', (size_t)(end - host));
    url->port = tls ? 443 : 80;
    if (colon != NULL) {
        uint32_t port;

        if (!read_number(colon + 1, end, &port) || port == 0 || port > UINT16_MAX) {
            return ES_ERR_URL;
        }
        url->port = (uint16_t)port;
    } else {
        colon = end;
    }
    if (colon == host || (size_t)(colon - host) > ES_HOST_BYTES || strlen(end) > ES_PATH_BYTES) {
        return ES_ERR_URL;
    }
    memcpy(url->host, host, (size_t)(colon - host));
    memcpy(url->path, end, strlen(end));
    for (i = 0; url->host[i] != '\0'; i++) {
        const char c = url->host[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-')) {
            return ES_ERR_URL;
        }
    }
    for (i = 0; url->path[i] != '\0'; i++) {
        if (url->path[i] <= ' ' || url->path[i] > '~' || url->path[i] == '?' || url->path[i] == '#') {
            return ES_ERR_URL;
        }
    }
    return ES_OK;
}

void es_http_open(es_http *h, const es_net *net, const es_clock *clock, uint32_t timeout_ms)
{
    memset(h, 0, sizeof *h);
    h->net = net;
    h->clock = clock;
    h->timeout_ms = timeout_ms;
}

void es_http_close(es_http *h)
{
    if (h->connected) {
        h->net->close(h->net->context);
    }
    h->connected = false;
    h->buffered = 0;
}

static uint64_t deadline(const es_http *h)
{
    return h->clock->milliseconds(h->clock->context) + h->timeout_ms;
}

static es_status connect_to(es_http *h, const es_url *url, uint64_t until)
{
    es_status status;

    if (h->connected && h->port == url->port && h->tls == url->tls && strcmp(h->host, url->host) == 0) {
        return ES_OK;
    }
    es_http_close(h);
    if (url->tls && !h->net->has_tls) {
        return ES_ERR_TLS;
    }
    status = h->net->connect(h->net->context, url->host, url->port, url->tls, until);
    if (status != ES_OK) {
        return status;
    }
    h->connected = true;
    h->port = url->port;
    h->tls = url->tls;
    memcpy(h->host, url->host, sizeof h->host);
    return ES_OK;
}

/* Receives some bytes behind what is buffered. */
static es_status receive_more(es_http *h, uint64_t until)
{
    size_t n = 0;
    es_status status;

    if (h->buffered == sizeof h->buffer) {
        return ES_ERR_HTTP_HEADER_SIZE;
    }
    status = h->net->receive(h->net->context, h->buffer + h->buffered, sizeof h->buffer - h->buffered, &n, until);
    h->buffered += n;
    return status != ES_OK ? status : n == 0 ? ES_ERR_NET_CLOSED : ES_OK;
}

/* Reads until the empty line; *size is the header's, including it. */
static es_status receive_header(es_http *h, uint64_t until, size_t *size)
{
    size_t at = 0;

    for (;;) {
        for (; at + 4 <= h->buffered; at++) {
            if (memcmp(h->buffer + at, "\r\n\r\n", 4) == 0) {
                *size = at + 4;
                return ES_OK;
            }
        }
        {
            const es_status status = receive_more(h, until);

            if (status != ES_OK) {
                return status;
            }
        }
    }
}

/* Whether [text, end) is `word` in any case; `word` is in lower case. */
static bool same_word(const char *text, const char *end, const char *word)
{
    for (; text < end && *word != '\0'; text++, word++) {
        const char lower = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;

        if (lower != *word) {
            return false;
        }
    }
    return text == end && *word == '\0';
}

/* "bytes first-last/total" */
static bool read_content_range(const char *value, const char *end, es_http_answer *a)
{
    const char *dash = memchr(value, '-', (size_t)(end - value));
    const char *slash = memchr(value, '/', (size_t)(end - value));

    return dash != NULL && slash != NULL && end - value > 6 && same_word(value, value + 6, "bytes ") &&
           dash < slash && dash > value + 5 && read_number(value + 6, dash, &a->range_first) &&
           read_number(dash + 1, slash, &a->range_last) && read_number(slash + 1, end, &a->range_total);
}

static es_status read_field(const char *name, const char *name_end, const char *value, const char *end,
                            es_http_answer *a)
{
    if (same_word(name, name_end, "content-length")) {
        if (a->has_length || !read_number(value, end, &a->length)) {
            return ES_ERR_HTTP_LENGTH;
        }
        a->has_length = true;
    } else if (same_word(name, name_end, "content-range")) {
        if (a->has_range || !read_content_range(value, end, a)) {
            return ES_ERR_HTTP_RANGE;
        }
        a->has_range = true;
    } else if (same_word(name, name_end, "transfer-encoding")) {
        return ES_ERR_HTTP_CHUNKED;
    } else if (same_word(name, name_end, "connection")) {
        a->keep_alive = same_word(value, end, "keep-alive");
    } else if (same_word(name, name_end, "etag")) {
        if (a->etag[0] != '\0') {
            return ES_ERR_HTTP_HEADER;
        }
        /* A tag that is too long is not kept: the next poll fetches anew. */
        if ((size_t)(end - value) <= ES_ETAG_BYTES) {
            memcpy(a->etag, value, (size_t)(end - value));
        }
    }
    return ES_OK;
}

static bool is_token(const char *text, const char *end)
{
    const char *p;

    for (p = text; p < end; p++) {
        const bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

        if (!letter && (*p == '\0' || strchr("!#$%&'*+-.^_`|~", *p) == NULL)) {
            return false;
        }
    }
    return end > text;
}

static es_status read_line(const char *line, const char *end, es_http_answer *a)
{
    const char *colon = memchr(line, ':', (size_t)(end - line));
    const char *value;
    const char *p;

    if (colon == NULL || !is_token(line, colon)) {
        return ES_ERR_HTTP_HEADER;
    }
    for (p = colon + 1; p < end; p++) {
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7F) {
            return ES_ERR_HTTP_HEADER;
        }
    }
    for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++) {
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return read_field(line, colon, value, end, a);
}

/* "HTTP/1.x nnn reason" */
static bool read_status_line(const char *line, const char *end, es_http_answer *a)
{
    uint32_t status;

    if (end - line < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
        !read_number(line + 9, line + 12, &status) || (end - line > 12 && line[12] != ' ') || status < 100) {
        return false;
    }
    a->status = status;
    a->keep_alive = line[7] == '1';
    return true;
}

static es_status read_header(const char *text, size_t size, es_http_answer *a)
{
    const char *stop = text + size - 2; /* the empty line */
    bool first = true;

    while (text < stop) {
        const char *end = memchr(text, '\r', (size_t)(stop - text));
        es_status status = ES_OK;

        if (end == NULL || end[1] != '\n') {
            return ES_ERR_HTTP_HEADER;
        }
        if (!first) {
            status = read_line(text, end, a);
        } else if (!read_status_line(text, end, a)) {
            status = ES_ERR_HTTP_HEADER;
        }
        if (status != ES_OK) {
            return status;
        }
        first = false;
        text = end + 2;
    }
    return ES_OK;
}

/* Sends a request and reads the answer's header; what was received of the body
 * stays in the buffer. A kept connection that the server has closed meanwhile
 * is opened once more. */
static es_status exchange(es_http *h, const es_url *url, const builder *request, const char *body, size_t body_size,
                          uint64_t until, es_http_answer *a)
{
    size_t header_size = 0;
    bool reused;
    es_status status;

    if (request->overflow) {
        return ES_ERR_URL;
    }
    for (;;) {
        reused = h->connected;
        status = connect_to(h, url, until);
        reused = reused && h->connected;
        h->buffered = 0;
        if (status == ES_OK) {
            status = h->net->send(h->net->context, request->text, request->used, until);
        }
        if (status == ES_OK && body_size > 0) {
            status = h->net->send(h->net->context, body, body_size, until);
        }
        if (status == ES_OK) {
            status = receive_header(h, until, &header_size);
        }
        if (!(reused && status == ES_ERR_NET_CLOSED && h->buffered == 0)) {
            break;
        }
        es_http_close(h);
    }
    memset(a, 0, sizeof *a);
    if (status == ES_OK) {
        status = read_header((const char *)h->buffer, header_size, a);
    }
    if (status != ES_OK) {
        return status;
    }
    h->buffered -= header_size;
    memmove(h->buffer, h->buffer + header_size, h->buffered);
    return ES_OK;
}

static es_status read_body(es_http *h, uint8_t *body, uint32_t size, uint64_t until)
{
    size_t have = h->buffered < size ? h->buffered : size;

    memcpy(body, h->buffer, have);
    if (h->buffered > size) {
        return ES_ERR_HTTP_LENGTH; /* more than announced, and nothing was asked yet */
    }
    h->buffered = 0;
    while (have < size) {
        size_t n = 0;
        const es_status status = h->net->receive(h->net->context, body + have, size - have, &n, until);

        if (status != ES_OK || n == 0) {
            return status != ES_OK ? status : ES_ERR_NET_CLOSED;
        }
        have += n;
    }
    return ES_OK;
}

static void start_request(builder *b, const char *method, const es_url *url)
{
    add(b, method);
    add(b, " ");
    add(b, url->path[0] == '\0' ? "/" : url->path);
    add(b, " HTTP/1.1\r\nHost: ");
    add(b, url->host);
    if (url->port != 80) {
        add(b, ":");
        add_number(b, url->port);
    }
    add(b, "\r\n");
}

/* Ends an exchange: a failed connection, or one that the server will close, is
 * not used again. */
static es_status finish(es_http *h, const es_http_answer *a, es_status status)
{
    if (status != ES_OK || !a->keep_alive) {
        es_http_close(h);
    }
    return status;
}

/* What an answer of another status than wanted means. */
static es_status unexpected(const es_http_answer *a)
{
    return a->status >= 300 && a->status < 400 ? ES_ERR_HTTP_REDIRECT : ES_ERR_HTTP_STATUS;
}

es_status es_http_get(es_http *h, const es_url *url, const char *etag, uint8_t *body, size_t body_size,
                      es_http_answer *answer)
{
    char text[ES_HTTP_REQUEST_BYTES];
    builder b = {text, sizeof text, 0, false};
    const uint64_t until = deadline(h);
    es_status status;

    start_request(&b, "GET", url);
    if (etag[0] != '\0') {
        add(&b, "If-None-Match: ");
        add(&b, etag);
        add(&b, "\r\n");
    }
    add(&b, "\r\n");
    status = exchange(h, url, &b, NULL, 0, until, answer);
    if (status == ES_OK && answer->status == 304 && etag[0] != '\0') {
        return finish(h, answer, h->buffered == 0 ? ES_OK : ES_ERR_HTTP_LENGTH);
    }
    if (status == ES_OK && answer->status != 200) {
        status = unexpected(answer);
    }
    if (status == ES_OK && (!answer->has_length || answer->length > body_size)) {
        status = ES_ERR_HTTP_LENGTH;
    }
    if (status == ES_OK) {
        status = read_body(h, body, answer->length, until);
    }
    return finish(h, answer, status);
}

es_status es_http_get_range(es_http *h, const es_url *url, uint32_t first, uint32_t last, uint8_t *body,
                            es_http_answer *answer)
{
    char text[ES_HTTP_REQUEST_BYTES];
    builder b = {text, sizeof text, 0, false};
    const uint64_t until = deadline(h);
    es_status status;

    start_request(&b, "GET", url);
    add(&b, "Range: bytes=");
    add_number(&b, first);
    add(&b, "-");
    add_number(&b, last);
    add(&b, "\r\n\r\n");
    status = exchange(h, url, &b, NULL, 0, until, answer);
    if (status == ES_OK && answer->status == 200) {
        status = ES_ERR_HTTP_RANGE; /* the whole file, where a part was asked for */
    }
    if (status == ES_OK && answer->status != 206) {
        status = unexpected(answer);
    }
    if (status == ES_OK && (!answer->has_range || answer->range_first != first || answer->range_last != last)) {
        status = ES_ERR_HTTP_RANGE;
    }
    if (status == ES_OK && (!answer->has_length || answer->length != last - first + 1)) {
        status = ES_ERR_HTTP_LENGTH;
    }
    if (status == ES_OK) {
        status = read_body(h, body, answer->length, until);
    }
    return finish(h, answer, status);
}

es_status es_http_post(es_http *h, const es_url *url, const char *signature, const char *body, size_t size,
                       es_http_answer *answer)
{
    char text[ES_HTTP_REQUEST_BYTES];
    builder b = {text, sizeof text, 0, false};
    es_status status;

    start_request(&b, "POST", url);
    add(&b, "Content-Type: application/json\r\nX-Earshot-Signature: ");
    add(&b, signature);
    add(&b, "\r\nContent-Length: ");
    add_number(&b, (uint32_t)size);
    add(&b, "\r\nConnection: close\r\n\r\n");
    status = exchange(h, url, &b, body, size, deadline(h), answer);
    es_http_close(h);
    return status;
}
