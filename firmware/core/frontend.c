#include "frontend.h"

#include <string.h>

#if ES_FRONTEND_WINDOW > 2 * ES_FRONTEND_STEP
#error "windows that overlap by more than half must be moved, not copied"
#endif

#if ES_WITH_MICRO
static void micro_frame(es_frontend_memory *memory, const int16_t *window, int8_t *frame)
{
    es_micro_frame(&memory->micro, window, frame);
}
#endif

#if ES_WITH_SPECTROGRAM43
static void spectrogram43_frame(es_frontend_memory *memory, const int16_t *window, int8_t *frame)
{
    (void)memory;
    es_spectrogram43_frame(window, frame);
}
#endif

static const es_frontend frontends[] = {
#if ES_WITH_MICRO
    {es_micro_id, ES_FRONTEND_WINDOW, ES_FRONTEND_STEP, ES_FRONTEND_FRAMES, ES_MICRO_CHANNELS, micro_frame},
#endif
#if ES_WITH_SPECTROGRAM43
    {es_spectrogram43_id, ES_FRONTEND_WINDOW, ES_FRONTEND_STEP, ES_FRONTEND_FRAMES, ES_SPECTROGRAM43_CHANNELS,
     spectrogram43_frame},
#endif
};

const es_frontend *es_frontend_at(size_t index)
{
    return index < sizeof frontends / sizeof frontends[0] ? frontends + index : NULL;
}

const es_frontend *es_frontend_find(const char *id)
{
    const es_frontend *f;
    size_t i;

    for (i = 0; (f = es_frontend_at(i)) != NULL; i++) {
        if (strcmp(f->id(), id) == 0) {
            return f;
        }
    }
    return NULL;
}

size_t es_frontend_features(const es_frontend *f)
{
    return (size_t)f->frames * f->channels;
}

void es_frontend_reset(es_frontend_stream *s, const es_frontend *f)
{
    memset(s, 0, sizeof *s);
    s->frontend = f;
}

bool es_frontend_feed(es_frontend_stream *s, const int16_t *samples, size_t count, size_t *taken, int8_t *frame)
{
    const es_frontend *f = s->frontend;
    const size_t missing = (size_t)(f->window - s->used);
    const size_t n = count < missing ? count : missing;

    memcpy(s->window + s->used, samples, n * sizeof *samples);
    s->used = (uint16_t)(s->used + n);
    *taken = n;
    if (s->used < f->window) {
        return false;
    }
    f->frame(&s->memory, s->window, frame);
    s->used = (uint16_t)(f->window - f->step);
    /* What is kept is no longer than a step: it does not overlap. */
    memcpy(s->window, s->window + f->step, s->used * sizeof *samples);
    return true;
}

es_status es_frontend_clip(const es_frontend *f, const int16_t *samples, size_t count, int8_t *features)
{
    es_frontend_stream s;
    size_t taken;

    if (count != ES_FRONTEND_CLIP_SAMPLES) {
        return ES_ERR_SAMPLES;
    }
    es_frontend_reset(&s, f);
    while (count > 0) {
        if (es_frontend_feed(&s, samples, count, &taken, features)) {
            features += f->channels;
        }
        samples += taken;
        count -= taken;
    }
    return ES_OK;
}
