#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../app/listener.h"
#include "../../app/recording.h"
#include "../playback.h"
#include "../wav.h"
#include "board.h"
#include "events.h"
#include "microphone.h"

/* Where the UART's lines and the light go: the file `context`, or nowhere. */
static void write_uart(void *context, const char *text, size_t size)
{
    if (context != NULL) {
        (void)fwrite(text, 1, size, context);
    }
}

static void set_led(void *context, uint8_t brightness)
{
    if (context != NULL) {
        (void)fprintf(context, "led %u\n", brightness);
    }
}

/* EARSHOT_STEP_DELAY_MS=N makes each step N ms slower: the tests of overruns use it. */
static void delay_step(void)
{
    const char *text = getenv("EARSHOT_STEP_DELAY_MS");
    const long ms = text == NULL ? 0 : strtol(text, NULL, 10);
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

    if (ms > 0) {
        (void)nanosleep(&pause, NULL);
    }
}

typedef struct {
    es_board board;
    es_listener listener;
    char version[ES_VERSION_TEXT];
    es_uart uart;
    es_led led;
} device;

/* Hears a source to its end; `file` names it in the events, where not NULL. *heard: samples. */
static es_status hear_stream(device *d, const es_audio *audio, const char *file, uint64_t *heard)
{
    es_listener *l = &d->listener;
    bool ended = false;

    *heard = 0;
    es_listener_start(l, &d->board.classifier, d->version, audio, &d->led, &d->uart);
    while (!ended) {
        const es_status status = es_listener_step(l, &ended);

        if (status != ES_OK) {
            return status;
        }
        *heard += l->count;
        if (l->lost > 0) {
            es_event_begin("lost");
            es_event_number("samples", l->lost);
            es_event_number("total", l->lost_total);
            es_event_end();
        }
        if (l->heard) {
            es_event_begin("word");
            es_event_text("label", d->board.classifier.card.labels[l->word.label]);
            es_event_number("score", l->word.score);
            es_event_number("at_ms", l->word.at_ms);
            if (file != NULL) {
                es_event_text("file", file);
            }
            es_event_end();
        }
        delay_step();
    }
    return ES_OK;
}

static es_status hear_clip(device *d, const char *file, const int16_t *samples, size_t count)
{
    es_classifier *c = &d->board.classifier;
    int8_t scores[ES_LABELS];
    const es_status status = es_recording_hear(c, samples, count, scores);

    if (status == ES_OK) {
        es_event_begin("heard");
        es_event_text("file", file);
        es_event_text("label", c->card.labels[es_classifier_top(c, scores)]);
        es_event_numbers("scores", scores, c->card.label_count);
        es_event_text("version", d->version);
        es_event_end();
    }
    return status;
}

static es_status hear_file(device *d, const char *file, bool stream)
{
    int16_t *samples;
    size_t count;
    uint64_t heard;
    es_status status = es_wav_read(file, &samples, &count);

    if (status == ES_OK && stream) {
        es_playback playback;

        es_playback_init(&playback, samples, count);
        status = hear_stream(d, &playback.audio, file, &heard);
    } else if (status == ES_OK) {
        status = hear_clip(d, file, samples, count);
    }
    free(samples);
    return status;
}

static int hear_files(device *d, char *const *files, int count, bool stream)
{
    int result = 0;
    int i;

    for (i = 0; i < count; i++) {
        const es_status status = hear_file(d, files[i], stream);

        if (status != ES_OK) {
            es_event_error(files[i], es_error_text(status));
            result = 1;
        }
    }
    return result;
}

static int hear_microphone(device *d, bool standard_input)
{
    static es_microphone microphone; /* too large for a stack */
    const char *fault = es_microphone_open(&microphone, standard_input);
    es_status status;
    uint64_t heard;

    if (fault == NULL) {
        status = hear_stream(d, &microphone.audio, NULL, &heard);
        es_event_begin("ended");
        es_event_number("samples", (int64_t)heard);
        es_event_number("lost", d->listener.lost_total);
        es_event_end();
        fault = es_microphone_close(&microphone);
        fault = status != ES_OK ? es_error_text(status) : fault;
    }
    if (fault != NULL) {
        es_event_error(NULL, fault);
    }
    return fault == NULL ? 0 : 1;
}

static es_status open_model(device *d)
{
    es_board *b = &d->board;
    es_image image;
    const es_status status = es_update_find_model(&b->updater, &image);

    if (status != ES_OK) {
        return status;
    }
    es_version_format(&b->updater.journal.state.confirmed.version, d->version);
    return es_listener_open(&b->classifier, b->flash.map(b->flash.context, image.payload), image.payload_size,
                            b->arena, sizeof b->arena, &d->uart);
}

int es_device_listen(const es_options *options, char *const *files, int count)
{
    static device d; /* too large for a stack */
    es_status status;
    int result = 1;

    d.uart.context = d.led.context = options->uart ? stderr : NULL;
    d.uart.write = write_uart;
    d.led.set = set_led;
    if (!es_board_open(&d.board, options, false)) {
        return 1;
    }
    status = open_model(&d);
    if (status != ES_OK) {
        es_event_error(NULL, es_error_text(status));
    } else if (options->microphone) {
        result = hear_microphone(&d, count > 0);
    } else {
        result = hear_files(&d, files, count, options->stream);
    }
    es_board_close(&d.board);
    return result;
}
