#include "recogniser.h"

#include <string.h>

void es_recogniser_reset(es_recogniser *r, const es_card *card)
{
    memset(r, 0, sizeof *r);
    r->card = card;
    r->last_label = -1;
}

static void drop_oldest(es_recogniser *r)
{
    r->first = (uint16_t)((r->first + 1) % ES_RECOGNISER_RESULTS);
    r->count--;
}

static void keep(es_recogniser *r, const int8_t *scores, uint32_t at_ms)
{
    const uint32_t average_ms = (uint32_t)r->card->recogniser.average_ms;
    uint16_t slot;

    while (r->count > 0 && at_ms - r->at_ms[r->first] > average_ms) {
        drop_oldest(r);
    }
    if (r->count == ES_RECOGNISER_RESULTS) {
        drop_oldest(r);
    }
    slot = (uint16_t)((r->first + r->count) % ES_RECOGNISER_RESULTS);
    r->at_ms[slot] = at_ms;
    memcpy(r->scores[slot], scores, r->card->label_count);
    r->count++;
}

static uint8_t average(const es_recogniser *r, uint8_t label)
{
    uint32_t sum = 0;
    uint16_t i;

    for (i = 0; i < r->count; i++) {
        sum += (uint32_t)(r->scores[(r->first + i) % ES_RECOGNISER_RESULTS][label] + 128);
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): `keep` has just kept one, and keeps 64 at most */
    return (uint8_t)(sum / r->count);
}

bool es_recogniser_is_keyword(const char *label)
{
    return strcmp(label, "unknown") != 0 && strcmp(label, "silence") != 0;
}

bool es_recogniser_push(es_recogniser *r, const int8_t *scores, uint32_t at_ms, es_word *word)
{
    const es_recogniser_settings *s = &r->card->recogniser;
    uint8_t top = 0;
    uint8_t best = 0;
    uint8_t label;

    keep(r, scores, at_ms);
    if (r->count < s->minimum_count) {
        return false;
    }
    for (label = 0; label < r->card->label_count; label++) {
        const uint8_t value = average(r, label);

        if (label == 0 || value > best) {
            top = label;
            best = value;
        }
    }
    if (!es_recogniser_is_keyword(r->card->labels[top]) || best <= s->threshold) {
        return false;
    }
    if (r->last_label == top && at_ms - r->last_at_ms <= (uint32_t)s->suppression_ms) {
        return false;
    }
    r->last_label = top;
    r->last_at_ms = at_ms;
    word->label = top;
    word->score = best;
    word->at_ms = at_ms;
    return true;
}
