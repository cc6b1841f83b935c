/* The program of every port: ring, listener, light and lines. */
#include "suite.h"

#include <stdlib.h>

#include "app/listener.h"
#include "app/recording.h"
#include "app/ring.h"
#include "core/clip.h"
#include "golden.h"
#include "port/playback.h"

enum { TEXT = 8192 };

static es_classifier classifier;
static es_listener listener;
static uint32_t arena[ES_ARENA_BYTES / 4];

/* --- the ring --------------------------------------------------------------------------------------------------- */

/* Samples are numbered: what comes out is what went in, in order, less the gaps that are told. */
static void a_ring_gives_what_it_was_given(void **state)
{
    enum { SIZE = 64 };
    int16_t memory[SIZE];
    int16_t samples[3 * SIZE];
    uint64_t random = 1;
    uint32_t put = 0;
    uint32_t taken = 0;
    uint32_t lost = 0;
    es_ring ring;
    int i;

    (void)state;
    es_ring_init(&ring, memory, SIZE);
    /* Counters wrap on the way. */
    ring.written = ring.read = UINT32_MAX - 1000;
    for (i = 0; i < 20000; i++) {
        const uint32_t count = next_random(&random) % (2 * SIZE);
        uint32_t held = put - taken - lost;
        uint32_t dropped;
        uint32_t k;

        if (next_random(&random) % 2 == 0) {
            /* What will not fit has no number: nobody sees it. */
            for (k = 0; k < count; k++) {
                samples[k] = (int16_t)(uint16_t)(taken + held + k);
            }
            es_ring_put(&ring, samples, count);
            put += count;
            lost += held + count > SIZE ? held + count - SIZE : 0;
        } else {
            const size_t n = es_ring_take(&ring, samples, count, &dropped);

            assert_int_equal(n, count < held ? count : held);
            for (k = 0; k < n; k++) {
                assert_int_equal((uint16_t)samples[k], (uint16_t)(taken + k));
            }
            taken += (uint32_t)n;
        }
    }
    assert_int_equal(ring.lost, lost);
    assert_true(lost > 1000 && taken > 100000);
}

static void a_ring_tells_a_gap_once(void **state)
{
    int16_t memory[8];
    int16_t samples[16] = {0};
    uint32_t lost;
    es_ring ring;

    (void)state;
    es_ring_init(&ring, memory, 8);
    es_ring_put(&ring, samples, 11);
    assert_int_equal(es_ring_take(&ring, samples, 16, &lost), 8);
    assert_int_equal(lost, 3);
    assert_int_equal(es_ring_take(&ring, samples, 16, &lost), 0);
    assert_int_equal(lost, 0);
}

/* --- the listener ----------------------------------------------------------------------------------------------- */

static char text[TEXT];
static size_t text_size;
static int light;
static uint32_t gap;
static es_status audio_status;

static void write_text(void *context, const char *bytes, size_t size)
{
    (void)context;
    assert_true(text_size + size < TEXT);
    memcpy(text + text_size, bytes, size);
    text_size += size;
    text[text_size] = '\0';
}

static void set_light(void *context, uint8_t brightness)
{
    (void)context;
    light = brightness;
}

/* Plays, and loses `gap` samples once. */
static es_status read_samples(void *context, int16_t *samples, size_t count, size_t *taken, uint32_t *lost)
{
    es_playback *p = context;
    const es_status status = p->audio.read(p->audio.context, samples, count, taken, lost);

    *lost += gap;
    gap = 0;
    return status != ES_OK ? status : audio_status;
}

static const es_uart uart = {NULL, write_text};
static const es_led led = {NULL, set_light};

static const golden_model *golden_named(const char *name)
{
    size_t k;

    for (k = 0; k < golden_model_count; k++) {
        if (strcmp(golden_models[k].name, name) == 0) {
            return &golden_models[k];
        }
    }
    return NULL;
}

static void open_model(const char *name)
{
    const golden_model *g = golden_named(name);

    assert_non_null(g);
    assert_int_equal(es_listener_open(&classifier, g->file, g->size, arena, sizeof arena, &uart), ES_OK);
}

static void begin(es_playback *p, es_audio *audio, const int16_t *samples, size_t count)
{
    text_size = 0;
    text[0] = '\0';
    light = -1;
    gap = 0;
    audio_status = ES_OK;
    es_playback_init(p, samples, count);
    audio->context = p;
    audio->read = read_samples;
    es_listener_start(&listener, &classifier, "1.0.7", audio, &led, &uart);
}

static void a_listener_says_its_model_and_ends_with_the_audio(void **state)
{
    static es_playback playback;
    es_audio audio;
    size_t heard = 0;
    bool ended = false;

    (void)state;
    open_model("keyword");
    begin(&playback, &audio, golden_clips[0].samples, 16000);
    assert_true(strncmp(text, "earshot 1.0.7 " GOLDEN_FRONTEND " yes,no,unknown,silence arena ",
                        strlen("earshot 1.0.7 " GOLDEN_FRONTEND " yes,no,unknown,silence arena ")) == 0);
    assert_int_equal(light, 0);
    while (!ended) {
        assert_int_equal(es_listener_step(&listener, &ended), ES_OK);
        heard += listener.count;
    }
    assert_int_equal(heard, 16000);
}

/* A model that takes every window for a word: what is shown, said and remembered agrees. */
static void words_are_shown_and_said(void **state)
{
    static es_playback playback;
    es_audio audio;
    unsigned words[2] = {0, 0};
    bool ended;
    size_t clip;

    (void)state;
    open_model("keyword_eager");
    for (clip = 0; clip < 4; clip++) {
        begin(&playback, &audio, golden_clips[clip].samples, 16000);
        for (ended = false; !ended;) {
            const size_t before = text_size;

            assert_int_equal(es_listener_step(&listener, &ended), ES_OK);
            assert_int_equal(listener.heard, text_size > before);
            if (listener.heard) {
                const char *label = classifier.card.labels[listener.word.label];

                assert_true(listener.word.label < 2);
                words[listener.word.label]++;
                assert_true(strncmp(text + before, "word ", 5) == 0);
                assert_true(strncmp(text + before + 5, label, strlen(label)) == 0);
                assert_int_equal(light, listener.word.label == 0 ? ES_LED_BRIGHT : ES_LED_DIM);
            }
        }
    }
    assert_true(words[0] + words[1] > 10);
}

static void the_light_goes_out_after_a_second(void **state)
{
    static const int16_t silence[20000];
    static es_playback playback;
    es_audio audio;
    uint32_t dark_at = 0;
    uint32_t heard = 0;
    bool ended = false;

    (void)state;
    open_model("keyword");
    begin(&playback, &audio, silence, 20000);
    listener.brightness = ES_LED_BRIGHT;
    light = ES_LED_BRIGHT;
    while (!ended) {
        assert_int_equal(es_listener_step(&listener, &ended), ES_OK);
        heard += (uint32_t)listener.count;
        dark_at = dark_at == 0 && light == 0 ? heard : dark_at;
    }
    assert_int_equal(dark_at, 16000);
}

static void lost_samples_are_said_and_counted(void **state)
{
    static es_playback playback;
    es_audio audio;
    bool ended;
    size_t before;

    (void)state;
    open_model("keyword");
    begin(&playback, &audio, golden_clips[1].samples, 16000);
    gap = 320;
    assert_int_equal(es_listener_step(&listener, &ended), ES_OK);
    gap = 640;
    before = text_size;
    assert_int_equal(es_listener_step(&listener, &ended), ES_OK);
    assert_true(strncmp(text + before, "lost 640 960", 12) == 0);
    /* AND an error of the audio ends a step with it */
    audio_status = ES_ERR_ARGUMENT;
    assert_int_equal(es_listener_step(&listener, &ended), ES_ERR_ARGUMENT);
}

static void models_that_cannot_hear_are_refused_with_a_line(void **state)
{
    const golden_model *g = golden_named("residual_1");
    const golden_model *keyword = golden_named("keyword");

    (void)state;
    assert_true(g != NULL && keyword != NULL);
    text_size = 0;
    assert_int_equal(es_listener_open(&classifier, g->file, g->size, arena, sizeof arena, &uart),
                     ES_ERR_CARD_MISSING);
    assert_true(strncmp(text, "error ES_ERR_CARD_MISSING ", 26) == 0);
    assert_int_equal(es_listener_open(&classifier, keyword->file, keyword->size, arena, 100, &uart), ES_ERR_ARENA);
    g = golden_named("keyword_stranger");
    assert_non_null(g);
    assert_int_equal(es_listener_open(&classifier, g->file, g->size, arena, sizeof arena, &uart), ES_ERR_FRONTEND);
}

/* --- clips ------------------------------------------------------------------------------------------------------ */

static void the_loudest_second_is_the_clip(void **state)
{
    enum { COUNT_OF = 32000, FROM = 7040 };
    static int16_t samples[COUNT_OF];
    int i;

    (void)state;
    assert_int_equal(es_clip_start(samples, COUNT_OF), 0);
    assert_int_equal(es_clip_start(samples, 16000), 0);
    for (i = FROM; i < FROM + 16000; i++) {
        samples[i] = i % 2 == 0 ? 30000 : -30000;
    }
    assert_int_equal(es_clip_start(samples, COUNT_OF), FROM);
}

static void a_recording_is_heard_as_its_clip(void **state)
{
    static int16_t padded[16000];
    int8_t features[ES_FRONTEND_FEATURES_MAX];
    int8_t wanted[ES_LABELS];
    int8_t found[ES_LABELS];

    (void)state;
    open_model("keyword");
    memcpy(padded, golden_clips[3].samples, 9000 * sizeof padded[0]);
    assert_int_equal(es_frontend_clip(classifier.frontend, padded, 16000, features), ES_OK);
    assert_int_equal(es_classifier_run(&classifier, features, wanted), ES_OK);
    assert_int_equal(es_recording_hear(&classifier, golden_clips[3].samples, 9000, found), ES_OK);
    assert_memory_equal(found, wanted, 4);
    assert_true(wanted[es_classifier_top(&classifier, wanted)] >= wanted[0]);
}

int main(void)
{
    const struct CMUnitTest listeners[] = {
        cmocka_unit_test(a_ring_gives_what_it_was_given),
        cmocka_unit_test(a_ring_tells_a_gap_once),
        cmocka_unit_test(a_listener_says_its_model_and_ends_with_the_audio),
        cmocka_unit_test(words_are_shown_and_said),
        cmocka_unit_test(the_light_goes_out_after_a_second),
        cmocka_unit_test(lost_samples_are_said_and_counted),
        cmocka_unit_test(models_that_cannot_hear_are_refused_with_a_line),
        cmocka_unit_test(the_loudest_second_is_the_clip),
        cmocka_unit_test(a_recording_is_heard_as_its_clip),
    };

    return cmocka_run_group_tests(listeners, NULL, NULL);
}
