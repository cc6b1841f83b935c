#include "stream.h"

#include <string.h>

enum { WINDOW_MS = 30, STEP_MS = 20, SILENCE = -128 };

void es_stream_reset(es_stream *s, es_classifier *classifier)
{
    s->classifier = classifier;
    s->frames = 0;
    es_frontend_reset(&s->samples, classifier->frontend);
    es_recogniser_reset(&s->recogniser, &classifier->card);
    memset(s->window, SILENCE, sizeof s->window);
}

/* Takes one more frame into the window; true when a word was heard. */
static bool hear(es_stream *s, const int8_t *frame, es_word *word)
{
    const size_t channels = s->classifier->frontend->channels;
    const size_t kept = es_frontend_features(s->classifier->frontend) - channels;
    int8_t scores[ES_LABELS];

    memmove(s->window, s->window + channels, kept);
    memcpy(s->window + kept, frame, channels);
    s->frames++;
    if (s->frames % ES_RECOGNISER_HOP != 0 || es_classifier_run(s->classifier, s->window, scores) != ES_OK) {
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
