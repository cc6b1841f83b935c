#include <string.h>

#include "update.h"

enum { BODY_BYTES = 640 };

/* Appends text; device, board and error texts hold nothing that JSON escapes. */
static char *append(char *p, const char *text)
{
    const size_t n = strlen(text);

    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): a body has a length and no NUL */
    memcpy(p, text, n);
    return p + n;
}

static size_t write_body(const es_updater *u, const char *state, const es_version *version, es_status reason,
                         char body[BODY_BYTES])
{
    char text[ES_VERSION_TEXT];
    char *p = body;

    es_version_format(version, text);
    p = append(p, "{\"device\":\"");
    p = append(p, u->device);
    p = append(p, "\",\"board\":\"");
    p = append(p, u->board);
    p = append(p, "\",\"version\":\"");
    p = append(p, text);
    p = append(p, "\",\"state\":\"");
    p = append(p, state);
    p = append(p, "\",\"counter\":");
    p = es_write_number(p, u->journal.state.report_counter);
    p = append(p, ",\"detail\":\"");
    if (reason != ES_OK) {
        p = append(p, es_error_text(reason));
    }
    p = append(p, "\"}");
    return (size_t)(p - body);
}

void es_report_send(es_updater *u, const char *state, const es_version *version, es_status reason)
{
    static const char hex[] = "0123456789abcdef";
    es_record next = u->journal.state;
    char body[BODY_BYTES];
    char header[2 * ES_P256_SIGNATURE_BYTES + 1];
    uint8_t digest[ES_SHA256_BYTES];
    uint8_t signature[ES_P256_SIGNATURE_BYTES];
    es_http_answer answer;
    es_sha256 h;
    size_t size;
    size_t i;

    if (u->reports.host[0] == '\0') {
        return;
    }
    /* Counted before it is sent: no two reports ever carry one number. */
    next.report_counter++;
    if (es_journal_commit(&u->journal, &next) != ES_OK) {
        return;
    }
    size = write_body(u, state, version, reason, body);
    es_sha256_start(&h);
    es_sha256_add(&h, body, size);
    es_sha256_end(&h, digest);
    if (!es_p256_sign(u->device_key, digest, signature)) {
        return;
    }
    for (i = 0; i < sizeof signature; i++) {
        header[2 * i] = hex[signature[i] >> 4];
        header[2 * i + 1] = hex[signature[i] & 15];
    }
    header[2 * sizeof signature] = '\0';
    es_http_close(&u->http);
    u->http.timeout_ms = u->timeout_ms < ES_REPORT_TIMEOUT_MS ? u->timeout_ms : ES_REPORT_TIMEOUT_MS;
    (void)es_http_post(&u->http, &u->reports, header, body, size, &answer);
    u->http.timeout_ms = u->timeout_ms;
}
