/* Opening, planning and running models: TensorFlow Lite Micro's answers, in
 * memory whose sharing is judged here from the graph alone. */
#include "suite.h"

#include <stdlib.h>

#include "core/model.h"
#include "core/operators.h"
#include "golden.h"

enum { ARENA = 64 * 1024, OUTPUT = 8192 };

static es_model model;
static es_model second;
static uint32_t arena_words[ARENA / 4];
static uint32_t second_words[ARENA / 4];
static uint8_t *const arena = (uint8_t *)arena_words;
static int8_t output[OUTPUT];

static void open_and_load(es_model *m, const golden_model *g, void *memory)
{
    assert_int_equal(es_model_open(m, g->file, g->size), ES_OK);
    assert_true(m->arena_size <= ARENA && g->output_size <= OUTPUT);
    assert_int_equal(es_model_load(m, memory, m->arena_size), ES_OK);
}

static void run_and_compare(es_model *m, const golden_model *g, uint32_t i)
{
    assert_int_equal(es_model_run(m, g->inputs + i * g->input_size, g->input_size, output, g->output_size), ES_OK);
    assert_same(g->name, output, g->outputs + i * g->output_size, g->output_size);
}

static void answers_are_those_of_tflm(void **state)
{
    size_t k;
    uint32_t i;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        open_and_load(&model, &golden_models[k], arena);
        for (i = 0; i < golden_models[k].count; i++) {
            run_and_compare(&model, &golden_models[k], i);
        }
    }
}

/* What lay in the arena before, or lies behind it, has no part in an answer. */
static void nothing_depends_on_what_was_in_the_arena(void **state)
{
    static const uint8_t fillings[] = {0x00, 0x80, 0xff};
    size_t k;
    size_t f;
    uint32_t at;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        for (f = 0; f < COUNT(fillings); f++) {
            memset(arena, fillings[f], ARENA);
            open_and_load(&model, &golden_models[k], arena);
            run_and_compare(&model, &golden_models[k], 2);
            for (at = model.arena_size; at < ARENA; at++) {
                assert_int_equal(arena[at], fillings[f]);
            }
        }
    }
}

static void a_file_may_lie_at_any_address(void **state)
{
    size_t k;
    size_t shift;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        for (shift = 1; shift < 4; shift++) {
            golden_model g = golden_models[k];
            uint8_t *copy = malloc(g.size + shift);

            assert_non_null(copy);
            memcpy(copy + shift, g.file, g.size);
            g.file = copy + shift;
            open_and_load(&model, &g, arena);
            run_and_compare(&model, &g, 3);
            free(copy);
        }
    }
}

static void two_models_do_not_disturb_each_other(void **state)
{
    size_t k;

    (void)state;
    for (k = 0; k + 1 < golden_model_count; k++) {
        open_and_load(&model, &golden_models[k], arena);
        open_and_load(&second, &golden_models[k + 1], second_words);
        run_and_compare(&model, &golden_models[k], 2);
        run_and_compare(&second, &golden_models[k + 1], 3);
        run_and_compare(&model, &golden_models[k], 2);
    }
}

/* --- who may share memory, found without the planner's own notes ------------------------------------------------ */

static bool reads(const es_node *n, int tensor)
{
    size_t i;

    for (i = 0; i < COUNT(n->inputs); i++) {
        if (n->inputs[i] == tensor) {
            return true;
        }
    }
    return false;
}

/* Whether a tensor's values are there after node `node` and still wanted. */
static bool lives_after(const es_model *m, int tensor, int node)
{
    bool written = tensor == m->input;
    int i;

    for (i = 0; i <= node && !written; i++) {
        written = m->nodes[i].output == tensor;
    }
    if (!written || m->tensors[tensor].constant != NULL) {
        return false;
    }
    for (i = node + 1; i < m->node_count; i++) {
        if (reads(&m->nodes[i], tensor)) {
            return true;
        }
    }
    return tensor == m->output;
}

/* Marks the bytes that must survive node `node`: living tensors and the constants of all nodes. */
static void mark_living(const es_model *m, int node, uint8_t *marks)
{
    int i;

    memset(marks, 0, m->arena_size);
    for (i = 0; i < m->node_count; i++) {
        const es_node *n = &m->nodes[i];

        if (n->channels != 0) {
            memset(marks + ((const uint8_t *)es_node_multipliers(m, n) - m->arena), 1, (size_t)4 * n->channels);
            memset(marks + ((const uint8_t *)es_node_shifts(m, n) - m->arena), 1, n->channels);
        }
    }
    for (i = 0; i < m->tensor_count; i++) {
        if (lives_after(m, i, node)) {
            memset(marks + ((uint8_t *)es_model_values(m, (int16_t)i) - m->arena), 1, m->tensors[i].elements);
        }
    }
}

/* GIVEN every byte that no one needs any more is destroyed after each operator
 * WHEN a model runs THEN its answer is the same */
static void only_the_dead_are_overwritten(void **state)
{
    static uint8_t marks[ARENA];
    size_t k;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        const golden_model *g = &golden_models[k];
        uint32_t at;
        int i;

        open_and_load(&model, g, arena);
        memcpy(es_model_values(&model, model.input), g->inputs + 2 * g->input_size, g->input_size);
        for (i = -1; i < model.node_count; i++) {
            if (i >= 0) {
                const es_rows all = {0, es_node_rows(&model, &model.nodes[i])};

                model.nodes[i].operator_->run(&model, &model.nodes[i], all);
            }
            mark_living(&model, i, marks);
            for (at = 0; at < model.arena_size; at++) {
                arena[at] = marks[at] ? arena[at] : 0xa5;
            }
        }
        assert_same(g->name, es_model_values(&model, model.output), g->outputs + 2 * g->output_size, g->output_size);
    }
}

/* Whether [a, a + size) and [b, b + count) meet. */
static bool meet(const void *a, size_t size, const void *b, size_t count)
{
    return size != 0 && count != 0 && (uintptr_t)a < (uintptr_t)b + count && (uintptr_t)b < (uintptr_t)a + size;
}

static void check_node_memory(const es_model *m, int node)
{
    const es_node *n = &m->nodes[node];
    const int8_t *out = es_model_values(m, n->output);
    const uint32_t out_size = m->tensors[n->output].elements;
    const uint8_t *scratch = es_node_scratch(m, n);
    int t;

    if (m->tensors[n->output].constant != NULL) {
        return; /* a view of the file */
    }
    assert_true((const uint8_t *)out >= m->arena && (const uint8_t *)out + out_size <= m->arena + m->arena_size);
    assert_true(n->scratch_size == 0 || (scratch >= m->arena && scratch + n->scratch_size <= m->arena + m->arena_size &&
                                         (uintptr_t)scratch % ES_ARENA_ALIGNMENT == 0));
    assert_false(meet(out, out_size, scratch, n->scratch_size));
    for (t = 0; t < m->tensor_count; t++) {
        const int8_t *values = es_model_values(m, (int16_t)t);
        const uint32_t size = m->tensors[t].elements;
        const bool kept = t != n->output && lives_after(m, t, node);

        if (m->tensors[t].constant != NULL || !(kept || reads(n, t))) {
            continue;
        }
        assert_false(meet(values, size, scratch, n->scratch_size));
        /* A view is its source under another name. */
        assert_false(kept && meet(values, size, out, out_size) && n->operator_->rule != ES_VIEW);
    }
}

static void no_living_memory_is_given_away(void **state)
{
    size_t k;
    int i;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        open_and_load(&model, &golden_models[k], arena);
        for (i = 0; i < model.node_count; i++) {
            check_node_memory(&model, i);
        }
    }
}

/* --- refusals --------------------------------------------------------------------------------------------------- */

static void every_truncation_is_refused(void **state)
{
    static const char *const names[] = {"residual_1", "depthwise_0_1_8", "mean_0"};
    size_t k;
    size_t n;
    uint32_t size;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        const golden_model *g = &golden_models[k];

        for (n = 0; n < COUNT(names); n++) {
            for (size = 0; strcmp(g->name, names[n]) == 0 && size < g->size; size++) {
                uint8_t *copy = malloc(size + (size == 0));

                assert_non_null(copy);
                memcpy(copy, g->file, size);
                /* Padding at the very end is no part of anything. */
                assert_true(es_model_open(&model, copy, size) != ES_OK || g->size - size < 16);
                free(copy);
            }
        }
    }
}

static void what_does_not_fit_together_is_named(void **state)
{
    unsigned wrong = 0;
    size_t k;

    (void)state;
    for (k = 0; k < golden_refusal_count; k++) {
        const golden_refusal *r = &golden_refusals[k];
        const char *error = es_error_name(es_model_open(&model, r->file, r->size));

        if (strcmp(error, r->error) != 0) {
            (void)printf("%s: %s instead of %s\n", r->name, error, r->error);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void arenas_that_do_not_fit_are_refused(void **state)
{
    const golden_model *g = &golden_models[golden_model_count - 1];

    (void)state;
    assert_int_equal(es_model_open(&model, g->file, g->size), ES_OK);
    assert_int_equal(es_model_run(&model, g->inputs, g->input_size, output, g->output_size), ES_ERR_ARENA);
    assert_int_equal(es_model_load(&model, NULL, ARENA), ES_ERR_ARENA);
    assert_int_equal(es_model_load(&model, arena, model.arena_size - 1), ES_ERR_ARENA);
    assert_int_equal(es_model_load(&model, arena + 1, ARENA - 1), ES_ERR_ARENA);
    assert_int_equal(es_model_load(&model, arena, model.arena_size), ES_OK);
    assert_int_equal(es_model_run(&model, g->inputs, g->input_size - 1, output, g->output_size), ES_ERR_INPUT_SIZE);
    assert_int_equal(es_model_run(&model, g->inputs, g->input_size, output, g->output_size + 1), ES_ERR_OUTPUT_SIZE);
    assert_int_equal(es_model_open(&model, NULL, 0), ES_ERR_ARGUMENT);
}

static void metadata_is_found_by_its_whole_name(void **state)
{
    const uint8_t *data;
    size_t size;
    size_t k;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        const bool has_card = strncmp(golden_models[k].name, "keyword", 7) == 0;

        assert_int_equal(es_model_open(&model, golden_models[k].file, golden_models[k].size), ES_OK);
        assert_int_equal(es_model_metadata(&model, "earshot", &data, &size), has_card);
        assert_false(es_model_metadata(&model, "earsho", &data, &size));
        assert_false(es_model_metadata(&model, "earshot2", &data, &size));
    }
}

static void multiplications_are_counted(void **state)
{
    size_t k;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        assert_int_equal(es_model_open(&model, golden_models[k].file, golden_models[k].size), ES_OK);
        if (strcmp(golden_models[k].name, "keyword") == 0) {
            /* 25 x 20 places of 8 filters of 80 weights; 4000 inputs of 4 units. */
            assert_int_equal(es_model_macs(&model), 25 * 20 * 8 * 80 + 4000 * 4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest models[] = {
        cmocka_unit_test(answers_are_those_of_tflm),
        cmocka_unit_test(nothing_depends_on_what_was_in_the_arena),
        cmocka_unit_test(a_file_may_lie_at_any_address),
        cmocka_unit_test(two_models_do_not_disturb_each_other),
        cmocka_unit_test(only_the_dead_are_overwritten),
        cmocka_unit_test(no_living_memory_is_given_away),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(what_does_not_fit_together_is_named),
        cmocka_unit_test(arenas_that_do_not_fit_are_refused),
        cmocka_unit_test(metadata_is_found_by_its_whole_name),
        cmocka_unit_test(multiplications_are_counted),
    };

    return cmocka_run_group_tests(models, NULL, NULL);
}
