/* A model that is ready to hear: opened, with the front end that its card
 * names, loaded into an arena. */
#ifndef ES_CLASSIFIER_H
#define ES_CLASSIFIER_H

#include "card.h"
#include "frontend.h"
#include "model.h"

/* What the boards set aside for a model. */
#ifndef ES_ARENA_BYTES
#define ES_ARENA_BYTES (160u * 1024u)
#endif

typedef struct {
    es_model model;
    es_card card;
    const es_frontend *frontend;
} es_classifier;

/* Opens a model with its card, for clips and for streams; refuses one whose
 * front end this firmware does not compute, whose input has another size than
 * that front end's features, or that does not fit the arena. In streams, what is
 * computed is kept from hop to hop if the arena has room for that.
 * `data` and `arena` must stay where they are. */
es_status es_classifier_open(es_classifier *c, const uint8_t *data, size_t size, void *arena, size_t arena_size);

/* Scores of a clip's features by the model's front end, as many as there are labels. */
es_status es_classifier_run(es_classifier *c, const int8_t *features, int8_t scores[ES_LABELS]);

/* Takes a stream's next frame. With every so many as the card says, `scores` are
 * those of the window, and *answered is true. A stream begins with
 * es_incremental_reset, or with the features of es_classifier_run. */
es_status es_classifier_push(es_classifier *c, const int8_t *frame, bool *answered, int8_t scores[ES_LABELS]);

/* What a model on trial must do: run, on silence and on the loudest input, and
 * answer a hop of a stream as the whole window. */
es_status es_classifier_self_test(es_classifier *c);

/* The label with the highest score; the first of equals. */
uint8_t es_classifier_top(const es_classifier *c, const int8_t scores[ES_LABELS]);

#endif
