/* Streams: hop by hop, the bytes of a run on the whole window. */
#include "suite.h"

#include "core/incremental.h"
#include "core/operators.h"
#include "golden.h"

enum { ARENA = 64 * 1024, OUTPUT = 8192, HOPS = 12, SILENCE = -128 };

static es_model stream;
static es_model whole;
static uint32_t stream_words[ARENA / 4];
static uint32_t whole_words[ARENA / 4];
static int8_t window[OUTPUT];
static int8_t found[OUTPUT];
static int8_t wanted[OUTPUT];

/* A golden model's stream with hops of so many frames; false where its input is not frames. */
static bool open_stream(const golden_model *g, uint16_t hop, bool keep)
{
    const es_tensor *in;

    assert_int_equal(es_model_open(&stream, g->file, g->size), ES_OK);
    in = &stream.tensors[stream.input];
    if (in->rank < 2 || in->shape[0] != 1 || hop > in->shape[1]) {
        return false;
    }
    assert_int_equal(es_incremental_plan(&stream, (uint16_t)in->shape[1], hop, keep ? ARENA : 0), ES_OK);
    assert_true(stream.arena_size <= ARENA);
    memset(stream_words, 0xa5, sizeof stream_words);
    assert_int_equal(es_model_load(&stream, stream_words, stream.arena_size), ES_OK);
    assert_int_equal(es_model_open(&whole, g->file, g->size), ES_OK);
    assert_int_equal(es_model_load(&whole, whole_words, whole.arena_size), ES_OK);
    es_incremental_reset(&stream, SILENCE);
    memset(window, SILENCE, g->input_size);
    return true;
}

/* Pushes a hop's frames; the last of them, and no other, is answered. */
static void push_hop(const int8_t *frames, uint32_t frame, uint16_t hop, size_t output_size)
{
    uint16_t i;

    for (i = 0; i < hop; i++) {
        bool answered;

        assert_int_equal(es_incremental_push(&stream, frames + i * frame, &answered, found, output_size), ES_OK);
        assert_int_equal(answered, i + 1 == hop);
    }
}

static void compare_hops(const golden_model *g, uint16_t hop, uint64_t *random)
{
    const uint32_t frame = g->input_size / (uint32_t)stream.tensors[stream.input].shape[1];
    const uint32_t moved = frame * hop;
    int i;

    for (i = 0; i < HOPS; i++) {
        uint32_t k;

        memmove(window, window + moved, g->input_size - moved);
        for (k = g->input_size - moved; k < g->input_size; k++) {
            window[k] = (int8_t)(uint8_t)next_random(random);
        }
        push_hop(window + g->input_size - moved, frame, hop, g->output_size);
        assert_int_equal(es_model_run(&whole, window, g->input_size, wanted, g->output_size), ES_OK);
        assert_same(g->name, found, wanted, g->output_size);
    }
}

static void every_hop_answers_as_a_whole_run(void **state)
{
    uint64_t random = 7;
    unsigned streams = 0;
    size_t k;
    uint16_t hop;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        for (hop = 1; hop <= 4; hop++) {
            if (open_stream(&golden_models[k], hop, hop != 3)) {
                compare_hops(&golden_models[k], hop, &random);
                streams++;
            }
        }
    }
    assert_true(streams > 200);
}

static void a_reset_and_a_run_begin_a_stream_anew(void **state)
{
    uint64_t random = 8;
    size_t k;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        const golden_model *g = &golden_models[k];

        if (open_stream(g, 2, true)) {
            compare_hops(g, 2, &random);
            es_incremental_reset(&stream, SILENCE);
            memset(window, SILENCE, g->input_size);
            compare_hops(g, 2, &random);
            /* AND a clip in between is a window of its own */
            memcpy(window, g->inputs + 2 * g->input_size, g->input_size);
            assert_int_equal(es_model_run(&stream, window, g->input_size, found, g->output_size), ES_OK);
            assert_same(g->name, found, g->outputs + 2 * g->output_size, g->output_size);
            compare_hops(g, 2, &random);
        }
    }
}

/* Keeping rows is worth it where convolutions read many frames. */
static void kept_rows_save_multiplications(void **state)
{
    size_t k;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        if (strcmp(golden_models[k].name, "keyword") == 0) {
            assert_true(open_stream(&golden_models[k], 2, false));
            assert_int_equal(es_incremental_macs(&stream), es_model_macs(&stream));
            assert_true(open_stream(&golden_models[k], 2, true));
            assert_true(es_incremental_macs(&stream) < es_model_macs(&stream) / 2);
        }
    }
}

static void what_is_no_stream_is_refused(void **state)
{
    const golden_model *g = &golden_models[0];
    const uint16_t frames = 9;
    bool answered;

    (void)state;
    assert_int_equal(es_model_open(&stream, g->file, g->size), ES_OK);
    assert_int_equal(es_incremental_plan(&stream, frames, 0, ARENA), ES_ERR_ARGUMENT);
    assert_int_equal(es_incremental_plan(&stream, frames, frames + 1, ARENA), ES_ERR_ARGUMENT);
    assert_int_equal(es_incremental_plan(&stream, 10007, 1, ARENA), ES_ERR_INPUT_SIZE);
    assert_int_equal(es_incremental_plan(&stream, frames, 1, ARENA), ES_OK);
    assert_int_equal(es_incremental_push(&stream, window, &answered, found, g->output_size), ES_ERR_ARENA);
    assert_int_equal(es_model_open(&stream, g->file, g->size), ES_OK);
    assert_int_equal(es_model_load(&stream, stream_words, ARENA), ES_OK);
    assert_int_equal(es_incremental_push(&stream, window, &answered, found, g->output_size), ES_ERR_ARGUMENT);
    assert_true(open_stream(g, 1, true));
    assert_int_equal(es_incremental_push(&stream, window, &answered, found, g->output_size - 1), ES_ERR_OUTPUT_SIZE);
}

int main(void)
{
    const struct CMUnitTest incremental[] = {
        cmocka_unit_test(every_hop_answers_as_a_whole_run),
        cmocka_unit_test(a_reset_and_a_run_begin_a_stream_anew),
        cmocka_unit_test(kept_rows_save_multiplications),
        cmocka_unit_test(what_is_no_stream_is_refused),
    };

    return cmocka_run_group_tests(incremental, NULL, NULL);
}
