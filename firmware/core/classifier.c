#include "classifier.h"

#include <string.h>

#include "incremental.h"

es_status es_classifier_open(es_classifier *c, const uint8_t *data, size_t size, void *arena, size_t arena_size)
{
    es_status status = es_model_open(&c->model, data, size);

    if (status == ES_OK) {
        status = es_card_read(&c->card, &c->model);
    }
    if (status == ES_OK) {
        c->frontend = es_frontend_find(c->card.frontend);
        status = c->frontend == NULL ? ES_ERR_FRONTEND : ES_OK;
    }
    if (status == ES_OK && c->model.tensors[c->model.input].elements != es_frontend_features(c->frontend)) {
        status = ES_ERR_INPUT_SIZE;
    }
    if (status == ES_OK) {
        status = es_incremental_plan(&c->model, c->frontend->frames, (uint16_t)c->card.recogniser.hop_frames, arena_size);
    }
    return status != ES_OK ? status : es_model_load(&c->model, arena, arena_size);
}

es_status es_classifier_run(es_classifier *c, const int8_t *features, int8_t scores[ES_LABELS])
{
    return es_model_run(&c->model, features, es_frontend_features(c->frontend), scores, c->card.label_count);
}

es_status es_classifier_push(es_classifier *c, const int8_t *frame, bool *answered, int8_t scores[ES_LABELS])
{
    return es_incremental_push(&c->model, frame, answered, scores, c->card.label_count);
}

/* Scores of the window after as many frames of one value as there are in a hop. */
static es_status hear_hop(es_classifier *c, int8_t level, int8_t scores[ES_LABELS])
{
    int8_t frame[ES_FRONTEND_CHANNELS_MAX];
    bool answered = false;
    es_status status = ES_OK;

    memset(frame, level, sizeof frame);
    while (status == ES_OK && !answered) {
        status = es_classifier_push(c, frame, &answered, scores);
    }
    return status;
}

es_status es_classifier_self_test(es_classifier *c)
{
    static const int8_t levels[] = {-128, 127};
    int8_t first[ES_LABELS];
    int8_t second[ES_LABELS];
    unsigned i;

    for (i = 0; i < sizeof levels; i++) {
        es_incremental_reset(&c->model, levels[i]);
        /* The first hop computes everything, the second what is new: of the same window. */
        if (hear_hop(c, levels[i], first) != ES_OK || hear_hop(c, levels[i], second) != ES_OK ||
            memcmp(first, second, c->card.label_count) != 0) {
            return ES_ERR_SELF_TEST;
        }
    }
    return ES_OK;
}

uint8_t es_classifier_top(const es_classifier *c, const int8_t scores[ES_LABELS])
{
    uint8_t top = 0;
    uint8_t i;

    for (i = 1; i < c->card.label_count; i++) {
        top = scores[i] > scores[top] ? i : top;
    }
    return top;
}
