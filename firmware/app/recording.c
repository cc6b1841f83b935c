#include "recording.h"

#include "../core/clip.h"

es_status es_recording_hear(es_classifier *c, const int16_t *samples, size_t count, int8_t scores[ES_LABELS])
{
    static const int16_t silence[ES_FRONTEND_STEP];
    const size_t start = es_clip_start(samples, count);
    const size_t recorded = count - start < ES_CLIP_SAMPLES ? count - start : ES_CLIP_SAMPLES;
    int8_t features[ES_FRONTEND_FEATURES_MAX];
    es_frontend_stream stream;
    size_t frames = 0;
    size_t at = 0;

    es_frontend_reset(&stream, c->frontend);
    while (frames < c->frontend->frames) {
        const bool real = at < recorded;
        const size_t left = real ? recorded - at : ES_FRONTEND_STEP;
        size_t taken;

        if (es_frontend_feed(&stream, real ? samples + start + at : silence, left, &taken,
                             features + frames * c->frontend->channels)) {
            frames++;
        }
        at += taken;
    }
    return es_classifier_run(c, features, scores);
}
