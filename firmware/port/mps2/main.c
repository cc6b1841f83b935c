/* earshot-device.elf: the board's program under QEMU, which hears WAV files of the machine it runs on.
 *
 *   [--led] [--list FILE] MODEL.tflite [FILE.wav …]          each a stream: the UART's lines (app/listener.h)
 *   --clips [--list FILE] MODEL.tflite [FILE.wav …]          each a clip: heard LABEL SCORE,SCORE,… FILE
 *
 * The arguments that semihosting passes are at most 255 bytes and split at
 * spaces: --list names a file of WAV files, one a line. --led prints each
 * change of the light. A file that cannot be heard is a line `error CODE FILE`
 * and a status of 1; the others are heard. A model that is refused is a line
 * `error CODE SENTENCE`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../app/listener.h"
#include "../../app/recording.h"
#include "../file.h"
#include "../playback.h"
#include "../wav.h"

#define VERSION "0.0.0" /* a model in a file is of no release */

typedef struct {
    const char *model;
    const char *list;
    bool clips;
    bool led;
} options;

static es_classifier classifier;
static uint32_t arena[ES_ARENA_BYTES / 4];

static void write_uart(void *context, const char *text, size_t size)
{
    (void)context;
    (void)fwrite(text, 1, size, stdout);
}

static void set_led(void *context, uint8_t brightness)
{
    const options *o = context;

    if (o->led) {
        (void)printf("led %u\n", brightness);
    }
}

static const es_uart uart = {NULL, write_uart};

static es_status hear_stream(options *o, const int16_t *samples, size_t count)
{
    static es_listener listener;
    static es_playback playback;
    const es_led led = {o, set_led};
    es_status status = ES_OK;
    bool ended = false;

    es_playback_init(&playback, samples, count);
    es_listener_start(&listener, &classifier, VERSION, &playback.audio, &led, &uart);
    while (status == ES_OK && !ended) {
        status = es_listener_step(&listener, &ended);
    }
    return status;
}

static es_status hear_clip(const char *path, const int16_t *samples, size_t count)
{
    int8_t scores[ES_LABELS];
    const es_status status = es_recording_hear(&classifier, samples, count, scores);
    uint8_t i;

    if (status != ES_OK) {
        return status;
    }
    (void)printf("heard %s ", classifier.card.labels[es_classifier_top(&classifier, scores)]);
    for (i = 0; i < classifier.card.label_count; i++) {
        (void)printf(i == 0 ? "%d" : ",%d", scores[i]);
    }
    (void)printf(" %s\n", path);
    return ES_OK;
}

/* 0, or 1 where the file could not be heard. */
static int hear_file(options *o, const char *path)
{
    int16_t *samples;
    size_t count;
    es_status status = es_wav_read(path, &samples, &count);

    if (status == ES_OK) {
        status = o->clips ? hear_clip(path, samples, count) : hear_stream(o, samples, count);
    }
    free(samples);
    if (status != ES_OK) {
        (void)printf("error %s %s\n", es_error_name(status), path);
    }
    return status == ES_OK ? 0 : 1;
}

/* Hears the files that the file `list` names. */
static int hear_list(options *o, const char *list)
{
    size_t size;
    char *text = es_file_load(list, &size);
    int result = 0;
    size_t start = 0;
    size_t i;

    if (text == NULL) {
        (void)printf("error ES_ERR_ARGUMENT %s\n", list);
        return 1;
    }
    for (i = 0; i <= size; i++) {
        if (i == size || text[i] == '\n') {
            text[i] = '\0';
            if (i > start) {
                result |= hear_file(o, text + start);
            }
            start = i + 1;
        }
    }
    free(text);
    return result;
}

static int misuse(void)
{
    (void)printf("error ES_ERR_ARGUMENT give [--led] [--clips] [--list FILE] MODEL.tflite [FILE.wav ...]\n");
    return 2;
}

int main(int argc, char **argv)
{
    options o = {NULL, NULL, false, false};
    const uint8_t *model;
    size_t size;
    int result = 0;
    int i;

    for (i = 1; i < argc && o.model == NULL; i++) {
        if (strcmp(argv[i], "--clips") == 0) {
            o.clips = true;
        } else if (strcmp(argv[i], "--led") == 0) {
            o.led = true;
        } else if (strcmp(argv[i], "--list") == 0 && i + 1 < argc) {
            o.list = argv[++i];
        } else if (argv[i][0] == '-') {
            return misuse();
        } else {
            o.model = argv[i];
        }
    }
    if (o.model == NULL || (o.list == NULL && i == argc)) {
        return misuse();
    }
    model = es_file_load(o.model, &size);
    if (model == NULL) {
        (void)printf("error ES_ERR_ARGUMENT %s cannot be read\n", o.model);
        return 1;
    }
    if (es_listener_open(&classifier, model, size, arena, sizeof arena, &uart) != ES_OK) {
        return 1;
    }
    if (o.list != NULL) {
        result = hear_list(&o, o.list);
    }
    for (; i < argc; i++) {
        result |= hear_file(&o, argv[i]);
    }
    return result;
}
