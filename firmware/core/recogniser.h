/* From a stream of scores to words heard.
 *
 * The rule, exactly (all integers; `kws.recognise` mirrors it):
 *
 *   push(scores[labels], at_ms), with at_ms never falling, scores int8:
 *   1. Drop every kept result with at_ms < now - average_ms; if
 *      ES_RECOGNISER_RESULTS are still kept, drop the oldest. Keep this one.
 *   2. With fewer than minimum_count kept results: no word.
 *   3. average[i] = (sum over kept results of (scores[i] + 128)) / count,
 *      rounded down: 0..255. The top label is the first with the largest.
 *   4. No word if the top label is "unknown" or "silence", or if its average is
 *      not greater than `threshold`.
 *   5. No word if the same label was the last word and
 *      at_ms - (when it was heard) <= suppression_ms.
 *   6. Otherwise the word is heard, with its average as the score.
 *
 * A stream is fed so: features start as if `silence features` (-128) had
 * filled the window; after every hop_frames-th frame the model runs on the
 * last 49 frames, and at_ms is the end of the newest frame's window in
 * milliseconds since the start of the stream: 30 + 20 * (frames - 1). It wraps
 * after 2^32 ms (49.7 days); all comparisons are of differences, so that the
 * rule holds across it, but for one thing: a word heard 49.7 days after the
 * last, which was the same, may be taken for a repetition. */
#ifndef ES_RECOGNISER_H
#define ES_RECOGNISER_H

#include "card.h"

#define ES_RECOGNISER_RESULTS 64

typedef struct {
    const es_card *card;
    uint32_t at_ms[ES_RECOGNISER_RESULTS];
    int8_t scores[ES_RECOGNISER_RESULTS][ES_LABELS];
    uint16_t first; /* oldest kept result */
    uint16_t count;
    int16_t last_label; /* last word heard; -1 none yet */
    uint32_t last_at_ms;
} es_recogniser;

typedef struct {
    uint8_t label;
    uint8_t score; /* average, 0..255 */
    uint32_t at_ms;
} es_word;

/* The card must stay where it is. */
void es_recogniser_reset(es_recogniser *r, const es_card *card);

/* Whether a label is a word to hear: neither "unknown" nor "silence". */
bool es_recogniser_is_keyword(const char *label);

/* Takes one result; true when a word was heard. */
bool es_recogniser_push(es_recogniser *r, const int8_t *scores, uint32_t at_ms, es_word *word);

#endif
