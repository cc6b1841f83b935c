#include "card.h"

#include <string.h>

#include "json.h"

/* Keys that were seen, one bit each: all are needed, none twice. */
enum { SEEN_FRONTEND = 1, SEEN_LABELS = 2, SEEN_RECOGNISER = 4, SEEN_SCHEMA = 8, SEEN_ALL = 15 };

static es_status invalid(const es_json *j)
{
    return j->status != ES_OK ? j->status : ES_ERR_CARD_INVALID;
}

static es_status see(unsigned *seen, unsigned bit)
{
    if ((*seen & bit) != 0) {
        return ES_ERR_JSON_DUPLICATE;
    }
    *seen |= bit;
    return ES_OK;
}

static es_status read_labels(es_card *card, es_json *j)
{
    es_json_kind kind;

    if (es_json_next(j) != ES_JSON_ARRAY) {
        return invalid(j);
    }
    while ((kind = es_json_next(j)) == ES_JSON_STRING) {
        char *label;
        uint8_t i;

        if (card->label_count == ES_LABELS) {
            return invalid(j);
        }
        label = card->labels[card->label_count];
        if (es_json_string(j, label, ES_LABEL_BYTES + 1) != ES_OK || label[0] == '\0') {
            return invalid(j);
        }
        for (i = 0; i < card->label_count; i++) {
            if (strcmp(card->labels[i], label) == 0) {
                return ES_ERR_CARD_INVALID;
            }
        }
        card->label_count++;
    }
    return kind == ES_JSON_ARRAY_END && card->label_count > 0 ? ES_OK : invalid(j);
}

static es_status read_recogniser(es_recogniser_settings *r, es_json *j)
{
    static const char *const names[] = {"average_ms", "minimum_count", "suppression_ms", "threshold", "hop_frames"};
    static const int32_t lowest[] = {1, 1, 0, 0, 1};
    static const int32_t highest[] = {10000, 1000, 60000, 255, ES_HOP_FRAMES_MAX};
    int32_t *const values[] = {&r->average_ms, &r->minimum_count, &r->suppression_ms, &r->threshold, &r->hop_frames};
    enum { COUNT = sizeof names / sizeof names[0], NEEDED = 15 };
    unsigned seen = 0;
    es_json_kind kind;

    r->hop_frames = ES_HOP_FRAMES;
    if (es_json_next(j) != ES_JSON_OBJECT) {
        return invalid(j);
    }
    while ((kind = es_json_next(j)) == ES_JSON_KEY) {
        char key[ES_LABEL_BYTES + 1];
        unsigned i;

        if (es_json_string(j, key, sizeof key) != ES_OK) {
            return invalid(j);
        }
        kind = es_json_next(j);
        for (i = 0; i < COUNT && strcmp(key, names[i]) != 0; i++) {
        }
        if (i == COUNT) {
            es_json_skip(j, kind);
            continue;
        }
        if (see(&seen, 1u << i) != ES_OK) {
            return ES_ERR_JSON_DUPLICATE;
        }
        if (kind != ES_JSON_NUMBER || !es_json_integer(j, lowest[i], highest[i], values[i])) {
            return invalid(j);
        }
    }
    return kind == ES_JSON_OBJECT_END && (seen & NEEDED) == NEEDED ? ES_OK : invalid(j);
}

static es_status read_field(es_card *card, es_json *j, const char *key, unsigned *seen)
{
    char schema[ES_LABEL_BYTES + 1];
    es_status status;

    if (strcmp(key, "labels") == 0) {
        status = see(seen, SEEN_LABELS);
        return status != ES_OK ? status : read_labels(card, j);
    }
    if (strcmp(key, "recogniser") == 0) {
        status = see(seen, SEEN_RECOGNISER);
        return status != ES_OK ? status : read_recogniser(&card->recogniser, j);
    }
    if (strcmp(key, "frontend") == 0) {
        status = see(seen, SEEN_FRONTEND);
        if (status == ES_OK && (es_json_next(j) != ES_JSON_STRING ||
                                es_json_string(j, card->frontend, sizeof card->frontend) != ES_OK)) {
            return invalid(j);
        }
        return status;
    }
    if (strcmp(key, "schema") == 0) {
        status = see(seen, SEEN_SCHEMA);
        if (status == ES_OK &&
            (es_json_next(j) != ES_JSON_STRING || es_json_string(j, schema, sizeof schema) != ES_OK ||
             strcmp(schema, "earshot.model/1") != 0)) {
            return invalid(j);
        }
        return status;
    }
    es_json_skip(j, es_json_next(j));
    return j->status;
}

es_status es_card_parse(es_card *card, const char *text, size_t size)
{
    es_json j;
    es_json_kind kind;
    unsigned seen = 0;

    memset(card, 0, sizeof *card);
    if (size > ES_CARD_BYTES) {
        return ES_ERR_JSON_SIZE;
    }
    es_json_open(&j, text, size);
    if (es_json_next(&j) != ES_JSON_OBJECT) {
        return invalid(&j);
    }
    while ((kind = es_json_next(&j)) == ES_JSON_KEY) {
        char key[ES_LABEL_BYTES + 1];
        es_status status = es_json_string(&j, key, sizeof key);

        if (status == ES_OK) {
            status = read_field(card, &j, key, &seen);
        }
        if (status != ES_OK) {
            return status;
        }
    }
    if (kind != ES_JSON_OBJECT_END || seen != SEEN_ALL || es_json_next(&j) != ES_JSON_END || j.status != ES_OK) {
        return invalid(&j);
    }
    return ES_OK;
}

es_status es_card_read(es_card *card, es_model *m)
{
    const uint8_t *text;
    size_t size;
    es_status status;

    if (!es_model_metadata(m, "earshot", &text, &size)) {
        return m->file.status != ES_OK ? m->file.status : ES_ERR_CARD_MISSING;
    }
    status = es_card_parse(card, (const char *)text, size);
    if (status != ES_OK) {
        return status;
    }
    return card->label_count == m->tensors[m->output].elements ? ES_OK : ES_ERR_CARD_LABELS;
}
