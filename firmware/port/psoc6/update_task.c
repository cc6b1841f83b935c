/* Asks for a newer model, now and then, and gets it. */
#include <string.h>

#include "FreeRTOS.h"
#include "app/line.h"
#include "app/listener.h"
#include "earshot_secrets.h"
#include "es_port.h"
#include "task.h"

#ifndef ES_UPDATE_ROOT
#define ES_UPDATE_ROOT ""
#endif

/* How often the two tasks look at each other's moves. */
#define POLL_MS 5

static bool knows_frontend(const char *id)
{
    return es_frontend_find(id) != NULL;
}

static void say_event(void *context, const es_event *e)
{
    static const char *const names[] = {"checking", "current",   "downloading", "verified",
                                        "trial",    "confirmed", "rejected",    "error"};
    const es_program *p = context;
    char version[ES_VERSION_TEXT];
    es_line line;

    es_version_format(&e->version, version);
    es_line_begin(&line, &p->uart, "update");
    es_line_name(&line, ' ', names[e->kind]);
    if (e->kind != ES_EVENT_ERROR) {
        es_line_name(&line, ' ', version);
    }
    if (e->kind == ES_EVENT_DOWNLOADING) {
        es_line_number(&line, e->received);
        es_line_number(&line, e->size);
    } else if (e->kind == ES_EVENT_REJECTED || e->kind == ES_EVENT_ERROR) {
        es_line_name(&line, ' ', es_error_name(e->reason));
        if (e->reason == ES_ERR_HTTP_STATUS || e->reason == ES_ERR_HTTP_REDIRECT) {
            es_line_number(&line, e->http_status);
        }
        es_line_text(&line, " ");
        es_line_text(&line, es_error_text(e->reason));
    }
    es_line_end(&line);
}

/* With the listen task's arena, which it gets back when the update has ended. */
static es_status self_test(void *context, const uint8_t *model, uint32_t size)
{
    es_program *p = context;

    (void)es_switch_ask(&p->model_switch);
    while (!es_switch_is_lent(&p->model_switch)) {
        vTaskDelay(pdMS_TO_TICKS(POLL_MS));
    }
    return es_listener_open(&p->classifier, model, size, p->arena, sizeof p->arena, &p->uart);
}

void es_update_prepare(es_program *p)
{
    static const uint8_t key[ES_P256_SPKI_BYTES] = {ES_SIGNING_KEY};
    static const uint8_t device_key[ES_P256_SCALAR_BYTES] = {ES_DEVICE_KEY};
    es_updater *u = &p->updater;

    memset(u, 0, sizeof *u);
    u->flash = &p->flash;
    u->net = &p->net;
    u->clock = &p->clock;
    u->board = ES_BOARD_NAME;
    u->device = ES_DEVICE_ID;
    u->knows_frontend = knows_frontend;
    u->timeout_ms = ES_HTTP_TIMEOUT_MS;
    memcpy(u->key, key, sizeof key);
    memcpy(u->device_key, device_key, sizeof device_key);
    u->context = p;
    u->event = say_event;
    u->self_test = self_test;
}

void es_update_choose_model(es_program *p, es_model_place *place)
{
    es_image image;

    if (es_update_find_model(&p->updater, &image) == ES_OK) {
        place->data = p->flash.map(p->flash.context, image.payload);
        place->size = image.payload_size;
        es_version_format(&image.version, place->version);
    } else {
        (void)es_factory_model(place);
    }
}

/* Why this board cannot update; NULL where it can. */
static const char *obstacle(es_program *p)
{
    uint8_t point[ES_P256_POINT_BYTES];
    es_updater *u = &p->updater;

    if (sizeof ES_WIFI_SSID == 1 || sizeof ES_RELEASES_URL == 1) {
        return "no network or releases URL in earshot_secrets.h";
    }
    if (!es_der_public_key(u->key, sizeof u->key, point)) {
        return "no P-256 signing key in earshot_secrets.h";
    }
    if (es_url_parse(&u->releases, ES_RELEASES_URL) != ES_OK ||
        (sizeof ES_REPORTS_URL != 1 && es_url_parse(&u->reports, ES_REPORTS_URL) != ES_OK)) {
        return "a URL in earshot_secrets.h is malformed or too long";
    }
    if (sizeof ES_DEVICE_ID == 1 || !es_p256_public(u->device_key, point)) {
        u->reports.host[0] = '\0';
    }
    return NULL;
}

static void say_off(const es_program *p, const char *reason)
{
    es_line line;

    es_line_begin(&line, &p->uart, "update off: ");
    es_line_text(&line, reason);
    es_line_end(&line);
}

/* Joins the network and opens what needs it. */
static bool go_online(es_program *p)
{
    static bool open;
    uint8_t address[4];

    if (!es_wifi_connect(address)) {
        return false;
    }
    if (!open) {
        open = es_net_open(&p->net, &p->clock, ES_ROOT_CERTIFICATES);
    }
    return open;
}

/* One attempt; how long to wait for the next. */
static uint32_t update(es_program *p)
{
    es_model_place place;
    es_update_outcome outcome;

    if (!go_online(p)) {
        es_line line;

        es_line_begin(&line, &p->uart, "update offline");
        es_line_end(&line);
        return ES_UPDATE_RETRY_MS;
    }
    outcome = es_update_once(&p->updater);
    if (es_switch_is_lent(&p->model_switch)) {
        es_update_choose_model(p, &place);
        (void)es_switch_give_back(&p->model_switch, &place);
    }
    return outcome == ES_UPDATE_ERROR ? ES_UPDATE_RETRY_MS : ES_UPDATE_EVERY_MS;
}

/* Stores the first root, where there is one to store and none is stored yet. */
static void install_root(es_program *p)
{
    static const char root[] = ES_UPDATE_ROOT;
    const size_t size = strlen(root);
    bool has = false;
    es_line line;
    es_status status = es_update_has_root(&p->updater, &has);

    /* cppcheck-suppress knownConditionTrueFalse; earshot_secrets.h may have a root */
    if (status == ES_OK && !has && size > 0) {
        status = es_update_install_root(&p->updater, (const uint8_t *)root, size);
    }
    if (status != ES_OK) {
        es_line_begin(&line, &p->uart, "update error");
        es_line_name(&line, ' ', es_error_name(status));
        es_line_text(&line, " ES_UPDATE_ROOT: ");
        es_line_text(&line, es_error_text(status));
        es_line_end(&line);
    }
}

void es_update_task(void *program)
{
    es_program *p = program;
    const char *reason = obstacle(p);

    if (reason != NULL) {
        say_off(p, reason);
        vTaskSuspend(NULL);
    }
    install_root(p);
    vTaskDelay(pdMS_TO_TICKS(ES_UPDATE_FIRST_MS));
    for (;;) {
        const uint32_t wait = update(p);

        vTaskDelay(pdMS_TO_TICKS(wait));
    }
}
