#include <stdlib.h>
#include <string.h>

#include "../../core/clip.h"
#include "../../core/stream.h"
#include "board.h"
#include "events.h"
#include "wav.h"

static es_status hear_clip(es_classifier *c, const char *file, const int16_t *samples, size_t count,
                           const char *version)
{
    int16_t clip[ES_CLIP_SAMPLES] = {0};
    int8_t features[ES_FRONTEND_FEATURES_MAX];
    int8_t scores[ES_LABELS];
    const size_t start = es_clip_start(samples, count);
    const size_t n = count - start < ES_CLIP_SAMPLES ? count - start : ES_CLIP_SAMPLES;
    es_status status;

    memcpy(clip, samples + start, n * sizeof *samples);
    status = es_frontend_clip(c->frontend, clip, ES_CLIP_SAMPLES, features);
    if (status == ES_OK) {
        status = es_classifier_run(c, features, scores);
    }
    if (status != ES_OK) {
        return status;
    }
    es_event_begin("heard");
    es_event_text("file", file);
    es_event_text("label", c->card.labels[es_classifier_top(c, scores)]);
    es_event_numbers("scores", scores, c->card.label_count);
    es_event_text("version", version);
    es_event_end();
    return ES_OK;
}

static void hear_stream(es_classifier *c, const char *file, const int16_t *samples, size_t count)
{
    static es_stream stream; /* too large for a stack */

    es_stream_reset(&stream, c);
    while (count > 0) {
        es_word word;
        size_t taken;

        if (es_stream_feed(&stream, samples, count, &taken, &word)) {
            es_event_begin("word");
            es_event_text("label", c->card.labels[word.label]);
            es_event_number("score", word.score);
            es_event_number("at_ms", word.at_ms);
            es_event_text("file", file);
            es_event_end();
        }
        samples += taken;
        count -= taken;
    }
}

static es_status hear_file(es_board *b, const char *file, bool stream, const char *version)
{
    int16_t *samples = NULL;
    size_t count = 0;
    es_status status = es_wav_read(file, &samples, &count);

    if (status == ES_OK && stream) {
        hear_stream(&b->classifier, file, samples, count);
    } else if (status == ES_OK) {
        status = hear_clip(&b->classifier, file, samples, count, version);
    }
    free(samples);
    return status;
}

static es_status open_model(es_board *b)
{
    es_image image;
    const es_status status = es_update_find_model(&b->updater, &image);

    if (status != ES_OK) {
        return status;
    }
    return es_classifier_open(&b->classifier, b->flash.map(b->flash.context, image.payload), image.payload_size,
                              b->arena, sizeof b->arena);
}

int es_device_listen(const es_options *options, char *const *files, int count)
{
    static es_board board; /* too large for a stack */
    char version[ES_VERSION_TEXT];
    es_status status;
    int result = 0;
    int i;

    if (!es_board_open(&board, options, false)) {
        return 1;
    }
    status = open_model(&board);
    if (status != ES_OK) {
        es_event_error(NULL, es_error_text(status));
        es_board_close(&board);
        return 1;
    }
    es_version_format(&board.updater.journal.state.confirmed.version, version);
    for (i = 0; i < count; i++) {
        status = hear_file(&board, files[i], options->stream, version);
        if (status != ES_OK) {
            es_event_error(files[i], es_error_text(status));
            result = 1;
        }
    }
    es_board_close(&board);
    return result;
}
