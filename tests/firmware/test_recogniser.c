/* The recogniser's rule, case by case, and against the rule written down plainly. */
#include "suite.h"

#include "core/recogniser.h"

enum { YES, NO, UNKNOWN, SILENCE, LABELS };

static es_card card;
static es_recogniser recogniser;

static void begin(int32_t average_ms, int32_t minimum_count, int32_t suppression_ms, int32_t threshold)
{
    static const char *const labels[LABELS] = {"yes", "no", "unknown", "silence"};
    int i;

    memset(&card, 0, sizeof card);
    card.label_count = LABELS;
    for (i = 0; i < LABELS; i++) {
        memcpy(card.labels[i], labels[i], strlen(labels[i]) + 1);
    }
    card.recogniser.average_ms = average_ms;
    card.recogniser.minimum_count = minimum_count;
    card.recogniser.suppression_ms = suppression_ms;
    card.recogniser.threshold = threshold;
    es_recogniser_reset(&recogniser, &card);
}

/* One result that gives everything to a label; the label heard, or -1. */
static int push(int label, uint32_t at_ms)
{
    int8_t scores[LABELS] = {-128, -128, -128, -128};
    es_word word;

    scores[label] = 127;
    if (!es_recogniser_push(&recogniser, scores, at_ms, &word)) {
        return -1;
    }
    assert_int_equal(word.at_ms, at_ms);
    return word.label;
}

static void enough_results_make_a_word(void **state)
{
    (void)state;
    begin(1000, 3, 1500, 200);
    assert_int_equal(push(YES, 30), -1);
    assert_int_equal(push(YES, 70), -1);
    assert_int_equal(push(YES, 110), YES);
}

static void old_results_do_not_count(void **state)
{
    (void)state;
    begin(100, 3, 0, 200);
    (void)push(YES, 0);
    (void)push(YES, 40);
    /* 0 is older than 101 - 100. */
    assert_int_equal(push(YES, 101), -1);
    begin(100, 3, 0, 200);
    (void)push(YES, 0);
    (void)push(YES, 40);
    assert_int_equal(push(YES, 100), YES);
}

static void the_same_word_is_suppressed_for_a_while(void **state)
{
    (void)state;
    begin(1, 1, 500, 200);
    assert_int_equal(push(YES, 1000), YES);
    assert_int_equal(push(YES, 1500), -1);
    assert_int_equal(push(NO, 1502), NO);
    assert_int_equal(push(YES, 1504), YES);
    assert_int_equal(push(YES, 2005), YES);
}

static void unknown_and_silence_are_no_words(void **state)
{
    (void)state;
    begin(1, 1, 0, 0);
    assert_int_equal(push(UNKNOWN, 10), -1);
    assert_int_equal(push(SILENCE, 20), -1);
    assert_int_equal(push(NO, 30), NO);
}

static void the_average_must_exceed_the_threshold(void **state)
{
    const int8_t scores[LABELS] = {72, -128, -128, -128}; /* 200 */
    es_word word;

    (void)state;
    begin(1000, 1, 0, 200);
    assert_false(es_recogniser_push(&recogniser, scores, 10, &word));
    begin(1000, 1, 0, 199);
    assert_true(es_recogniser_push(&recogniser, scores, 10, &word));
    assert_int_equal(word.score, 200);
}

/* --- the rule of recogniser.h with all results kept in a list --------------------------------------------------- */

enum { PUSHES = 3000 };

static int8_t all_scores[PUSHES][LABELS];
static uint32_t all_times[PUSHES];

typedef struct {
    uint32_t first; /* oldest result that is kept */
    int last_label;
    uint32_t last_at;
} plain;

static int plain_push(plain *p, uint32_t i, int *score)
{
    const es_recogniser_settings *s = &card.recogniser;
    int top = 0;
    int best = -1;
    int label;
    uint32_t k;

    while (p->first < i && (int64_t)all_times[p->first] < (int64_t)all_times[i] - s->average_ms) {
        p->first++;
    }
    p->first = i + 1 - p->first > ES_RECOGNISER_RESULTS ? i + 1 - ES_RECOGNISER_RESULTS : p->first;
    if ((int32_t)(i + 1 - p->first) < s->minimum_count) {
        return -1;
    }
    for (label = 0; label < LABELS; label++) {
        int sum = 0;

        for (k = p->first; k <= i; k++) {
            sum += all_scores[k][label] + 128;
        }
        sum /= (int)(i + 1 - p->first);
        top = sum > best ? label : top;
        best = sum > best ? sum : best;
    }
    if (top == UNKNOWN || top == SILENCE || best <= s->threshold ||
        (top == p->last_label && (int64_t)all_times[i] - p->last_at <= s->suppression_ms)) {
        return -1;
    }
    p->last_label = top;
    p->last_at = all_times[i];
    *score = best;
    return top;
}

static void compare_with_the_plain_rule(uint64_t random)
{
    plain p = {0, -1, 0};
    uint32_t at = 30;
    uint32_t i;

    begin((int32_t)(1 + next_random(&random) % 3000), (int32_t)(1 + next_random(&random) % 8),
          (int32_t)(next_random(&random) % 2000), (int32_t)(next_random(&random) % 230));
    for (i = 0; i < PUSHES; i++) {
        const int loud = (int)(next_random(&random) % 512 == 0 ? next_random(&random) % LABELS : i / 50 % LABELS);
        es_word word = {0, 0, 0};
        int score = 0;
        int label;
        int wanted;

        for (label = 0; label < LABELS; label++) {
            all_scores[i][label] = (int8_t)((int)(next_random(&random) % 60) + (label == loud ? 60 : -128));
        }
        at += next_random(&random) % 100;
        all_times[i] = at;
        wanted = plain_push(&p, i, &score);
        assert_int_equal(es_recogniser_push(&recogniser, all_scores[i], at, &word), wanted >= 0);
        if (wanted >= 0) {
            assert_int_equal(word.label, wanted);
            assert_int_equal(word.score, score);
            assert_int_equal(word.at_ms, at);
        }
    }
}

static void any_scores_follow_the_rule(void **state)
{
    uint64_t seed;

    (void)state;
    for (seed = 1; seed <= 20; seed++) {
        compare_with_the_plain_rule(seed);
    }
}

int main(void)
{
    const struct CMUnitTest recognisers[] = {
        cmocka_unit_test(enough_results_make_a_word),
        cmocka_unit_test(old_results_do_not_count),
        cmocka_unit_test(the_same_word_is_suppressed_for_a_while),
        cmocka_unit_test(unknown_and_silence_are_no_words),
        cmocka_unit_test(the_average_must_exceed_the_threshold),
        cmocka_unit_test(any_scores_follow_the_rule),
    };

    return cmocka_run_group_tests(recognisers, NULL, NULL);
}
