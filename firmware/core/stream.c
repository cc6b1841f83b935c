#include "stream.h"

#include "incremental.h"

enum { WINDOW_MS = 30, STEP_MS = 20 };

void es_stream_reset(es_stream *s, es_classifier *classifier)
{
    s->classifier = classifier;
    s->frames = 0;
    es_frontend_reset(&s->samples, classifier->frontend);
    es_recogniser_reset(&s->recogniser, &classifier->card);
    es_incremental_reset(&classifier->model, ES_STREAM_SILENCE);
}

/* Takes one more frame; true when a word was heard. */
static bool hear(es_stream *s, const int8_t *frame, es_word *word)
{
    int8_t scores[ES_LABELS];
    bool answered;

    s->frames++;
    if (es_classifier_push(s->classifier, frame, &answered, scores) != ES_OK || !answered) {
        return false;
    }
    return es_recogniser_push(&s->recogniser, scores, WINDOW_MS + STEP_MS * (s->frames - 1), word);
}

bool es_stream_feed(es_stream *s, const int16_t *samples, size_t count, size_t *taken, es_word *word)
{
    *taken = 0;
    while (*taken < count) {
        int8_t frame[ES_FRONTEND_CHANNELS_MAX];
        size_t n;
        const bool complete = es_frontend_feed(&s->samples, samples + *taken, count - *taken, &n, frame);

        *taken += n;
        if (complete && hear(s, frame, word)) {
            return true;
        }
    }
    return false;
}
