/* A model that is ready to hear: opened, checked against this firmware's front
 * end, loaded into an arena. */
#ifndef ES_CLASSIFIER_H
#define ES_CLASSIFIER_H

#include "card.h"
#include "micro.h"
#include "model.h"

/* What the boards set aside for a model. */
#ifndef ES_ARENA_BYTES
#define ES_ARENA_BYTES (160u * 1024u)
#endif

typedef struct {
    es_model model;
    es_card card;
} es_classifier;

/* Opens a model with its card; refuses one of another front end, or one that
 * does not fit the arena. `data` and `arena` must stay where they are. */
es_status es_classifier_open(es_classifier *c, const uint8_t *data, size_t size, void *arena, size_t arena_size);

/* Scores of a clip's features, as many as there are labels. */
es_status es_classifier_run(es_classifier *c, const int8_t features[ES_MICRO_CLIP_FEATURES], int8_t scores[ES_LABELS]);

/* What a model on trial must do: run, on silence and on the loudest input. */
es_status es_classifier_self_test(es_classifier *c);

/* The label with the highest score; the first of equals. */
uint8_t es_classifier_top(const es_classifier *c, const int8_t scores[ES_LABELS]);

#endif
