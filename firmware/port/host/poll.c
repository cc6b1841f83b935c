#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "board.h"
#include "events.h"

static void print_reason(const es_event *e)
{
    char text[256];
    const bool with_status = e->reason == ES_ERR_HTTP_STATUS || e->reason == ES_ERR_HTTP_REDIRECT;

    (void)snprintf(text, sizeof text, with_status ? "%s (HTTP %u)" : "%s", es_error_text(e->reason), e->http_status);
    es_event_text("reason", text);
}

static void print_event(void *context, const es_event *e)
{
    static const char *const names[] = {"checking", "current",   "downloading", "verified",
                                        "trial",    "confirmed", "rejected",    "error"};
    char version[ES_VERSION_TEXT];
    char file[32];

    (void)context;
    es_version_format(&e->version, version);
    es_event_begin(names[e->kind]);
    if (e->kind != ES_EVENT_ERROR) {
        es_event_text("version", version);
    }
    if (e->kind == ES_EVENT_DOWNLOADING) {
        es_event_number("size", e->size);
        es_event_number("received", e->received);
    } else if (e->kind == ES_EVENT_VERIFIED) {
        es_event_hex("sha256", e->digest, ES_SHA256_BYTES);
    } else if (e->kind == ES_EVENT_REJECTED || e->kind == ES_EVENT_ERROR) {
        if (e->role != NULL) {
            (void)snprintf(file, sizeof file, "%s.json", e->role);
            es_event_text("file", file);
        }
        print_reason(e);
    }
    es_event_end();
}

static es_status self_test(void *context, const uint8_t *model, uint32_t size)
{
    es_board *b = context;
    const es_status status = es_classifier_open(&b->classifier, model, size, b->arena, sizeof b->arena);

    return status != ES_OK ? status : es_classifier_self_test(&b->classifier);
}

/* The reports' URL; what is given may end in /reports or not. */
static bool set_reports(es_updater *u, const char *text)
{
    static const char end[] = "/reports";
    size_t n;

    if (es_url_parse(&u->reports, text) != ES_OK || u->reports.tls) {
        return false;
    }
    n = strlen(u->reports.path);
    while (n > 0 && u->reports.path[n - 1] == '/') {
        u->reports.path[--n] = '\0';
    }
    if (n >= sizeof end - 1 && strcmp(u->reports.path + n - (sizeof end - 1), end) == 0) {
        return true;
    }
    if (n + sizeof end > sizeof u->reports.path) {
        return false;
    }
    memcpy(u->reports.path + n, end, sizeof end);
    return true;
}

/* Seconds since 1970. EARSHOT_NOW=N is another clock, -1 one that does not know: the tests of expiry use it. */
static uint64_t seconds_now(void)
{
    const char *text = getenv("EARSHOT_NOW");
    const long long now = text == NULL ? (long long)time(NULL) : strtoll(text, NULL, 10);

    return now > 0 ? (uint64_t)now : 0;
}

static int poll_once(const es_options *options)
{
    static es_board board; /* too large for a stack */
    es_updater *u = &board.updater;
    es_update_outcome outcome;

    if (!es_board_open(&board, options, true)) {
        return 1;
    }
    u->context = &board;
    u->event = print_event;
    u->self_test = self_test;
    u->now = seconds_now();
    if (es_url_parse(&u->releases, options->releases) != ES_OK || u->releases.tls) {
        es_event_error(options->releases, "not a URL of the form http://host[:port][/path]; this port has no TLS");
        outcome = ES_UPDATE_ERROR;
    } else if (options->reports != NULL && !set_reports(u, options->reports)) {
        es_event_error(options->reports, "not a URL of the form http://host[:port][/path]; this port has no TLS");
        outcome = ES_UPDATE_ERROR;
    } else {
        outcome = es_update_once(u);
    }
    es_board_close(&board);
    return outcome == ES_UPDATE_ERROR ? 1 : outcome == ES_UPDATE_REJECTED ? 2 : 0;
}

/* Nothing needs to be tidied up: the journal stands a cut at any point. */
static void stop(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

int es_device_poll(const es_options *options)
{
    struct sigaction action;

    if (options->every <= 0) {
        return poll_once(options);
    }
    memset(&action, 0, sizeof action);
    action.sa_handler = stop;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    for (;;) {
        struct timespec pause;

        (void)poll_once(options);
        pause.tv_sec = (time_t)options->every;
        pause.tv_nsec = (long)((options->every - (double)pause.tv_sec) * 1e9);
        (void)nanosleep(&pause, NULL);
    }
}
