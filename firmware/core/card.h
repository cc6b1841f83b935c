/* The model card that travels inside a .tflite: labels, front end, recogniser.
 *
 * A metadata entry named "earshot" with a JSON document of schema
 * earshot.model/1. Unknown keys are skipped; repeated ones are refused. */
#ifndef ES_CARD_H
#define ES_CARD_H

#include "model.h"

#define ES_CARD_BYTES 1023
#define ES_LABELS 40
#define ES_LABEL_BYTES 32
#define ES_FRONTEND_BYTES 31
#define ES_HOP_FRAMES 2
#define ES_HOP_FRAMES_MAX 49

/* Settings of the recogniser, see recogniser.h. */
typedef struct {
    int32_t average_ms;
    int32_t minimum_count;
    int32_t suppression_ms;
    int32_t threshold;  /* 0..255 */
    int32_t hop_frames; /* from one inference to the next; ES_HOP_FRAMES where the card does not say */
} es_recogniser_settings;

typedef struct {
    char frontend[ES_FRONTEND_BYTES + 1];
    uint8_t label_count;
    char labels[ES_LABELS][ES_LABEL_BYTES + 1];
    es_recogniser_settings recogniser;
} es_card;

/* Reads a card's text; every field must be there and in range. */
es_status es_card_parse(es_card *card, const char *text, size_t size);

/* The card of an open model; its labels must be as many as the model's outputs. */
es_status es_card_read(es_card *card, es_model *m);

#endif
