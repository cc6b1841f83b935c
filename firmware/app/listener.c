#include "listener.h"

#include <string.h>

#include "line.h"

enum { SAMPLES_A_MS = ES_FRONTEND_SAMPLE_RATE / 1000 };

es_status es_listener_open(es_classifier *c, const uint8_t *model, size_t size, void *arena, size_t arena_size,
                           const es_uart *uart)
{
    es_status status = es_classifier_open(c, model, size, arena, arena_size);

    if (status == ES_OK) {
        status = es_classifier_self_test(c);
    }
    if (status != ES_OK) {
        es_line line;

        es_line_begin(&line, uart, "error");
        es_line_name(&line, ' ', es_error_name(status));
        es_line_text(&line, " ");
        es_line_text(&line, es_error_text(status));
        es_line_end(&line);
    }
    return status;
}

static void light(es_listener *l, uint8_t brightness)
{
    if (brightness != l->brightness) {
        l->led->set(l->led->context, brightness);
    }
    l->brightness = brightness;
    l->shown = 0;
}

static void say_model(const es_listener *l, const char *version)
{
    const es_card *card = &l->classifier->card;
    es_line line;
    uint8_t i;

    es_line_begin(&line, l->uart, "earshot");
    es_line_name(&line, ' ', version);
    es_line_name(&line, ' ', card->frontend);
    for (i = 0; i < card->label_count; i++) {
        es_line_name(&line, i == 0 ? ' ' : ',', card->labels[i]);
    }
    es_line_text(&line, " arena");
    es_line_number(&line, l->classifier->model.arena_size);
    es_line_end(&line);
}

/* How a label is shown: by its place among the keywords. */
static uint8_t brightness_of(const es_card *card, uint8_t label)
{
    static const uint8_t shown[] = {ES_LED_BRIGHT, ES_LED_DIM};
    size_t place = 0;
    uint8_t i;

    for (i = 0; i < label; i++) {
        place += es_recogniser_is_keyword(card->labels[i]) ? 1 : 0;
    }
    return place < sizeof shown ? shown[place] : 0;
}

static void show_word(es_listener *l)
{
    const es_card *card = &l->classifier->card;
    es_line line;

    light(l, brightness_of(card, l->word.label));
    es_line_begin(&line, l->uart, "word");
    es_line_name(&line, ' ', card->labels[l->word.label]);
    es_line_number(&line, l->word.score);
    es_line_number(&line, l->word.at_ms);
    es_line_end(&line);
}

static void say_lost(const es_listener *l)
{
    es_line line;

    es_line_begin(&line, l->uart, "lost");
    es_line_number(&line, l->lost);
    es_line_number(&line, l->lost_total);
    es_line_end(&line);
}

void es_listener_start(es_listener *l, es_classifier *c, const char *version, const es_audio *audio, const es_led *led,
                       const es_uart *uart)
{
    memset(l, 0, sizeof *l);
    l->classifier = c;
    l->audio = audio;
    l->led = led;
    l->uart = uart;
    es_stream_reset(&l->stream, c);
    led->set(led->context, 0);
    say_model(l, version);
}

es_status es_listener_step(es_listener *l, bool *ended)
{
    const int16_t *samples = l->samples;
    size_t left;
    es_status status;

    l->count = 0;
    l->heard = false;
    l->lost = 0;
    *ended = false;
    status = l->audio->read(l->audio->context, l->samples, ES_FRONTEND_STEP, &l->count, &l->lost);
    if (status != ES_OK) {
        return status;
    }
    if (l->lost > 0) {
        l->lost_total += l->lost;
        say_lost(l);
    }
    for (left = l->count; left > 0;) {
        size_t taken;

        if (es_stream_feed(&l->stream, samples, left, &taken, &l->word)) {
            l->heard = true;
            show_word(l);
        }
        samples += taken;
        left -= taken;
    }
    l->shown += (uint32_t)l->count;
    if (!l->heard && l->brightness > 0 && l->shown >= ES_LISTENER_SHOW_MS * SAMPLES_A_MS) {
        light(l, 0);
    }
    *ended = l->count == 0;
    return ES_OK;
}
