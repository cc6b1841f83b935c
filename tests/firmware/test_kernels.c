/* Kernels by parts: any rows in any order, and output memory that overlaps the
 * input's as far as core/operators.h allows. */
#include "suite.h"

#include "core/model.h"
#include "core/operators.h"
#include "golden.h"

enum { ARENA = 64 * 1024, GUARD = 64, GUARDED = 0x5a };

static es_model model;
static uint32_t arena_words[ARENA / 4];
static uint8_t *const arena = (uint8_t *)arena_words;

/* The only operator of a golden model, its tensors moved to memory of their own behind the arena. */
typedef struct {
    const golden_model *golden;
    es_node *node;
    const es_tensor *in;
    const es_tensor *out;
    int32_t rows;
    int32_t free; /* offset where unused memory begins */
} single;

/* False for a model of several operators, of several batches, or whose output is its input. */
static bool open_single(single *s, const golden_model *g)
{
    s->golden = g;
    assert_int_equal(es_model_open(&model, g->file, g->size), ES_OK);
    assert_true(model.arena_size <= ARENA);
    assert_int_equal(es_model_load(&model, arena, model.arena_size), ES_OK);
    s->node = &model.nodes[0];
    s->in = &model.tensors[model.input];
    s->out = &model.tensors[model.output];
    s->rows = es_node_rows(&model, s->node);
    s->free = (int32_t)(model.arena_size + 15) / 16 * 16 + GUARD;
    return model.node_count == 1 && s->out->shape[0] == 1 && s->node->operator_->rule != ES_VIEW;
}

/* Puts input `i` at `in` and unwritten output at `out`, offsets in the arena, with guards around both. */
static void place(const single *s, uint32_t i, int32_t in, int32_t out)
{
    assert_true(in >= s->free && (uint32_t)in + s->in->elements + GUARD <= ARENA);
    assert_true(out >= s->free && (uint32_t)out + s->out->elements + GUARD <= ARENA);
    memset(arena + s->free - GUARD, GUARDED, (size_t)(ARENA - s->free + GUARD));
    model.input_place.offset = in;
    s->node->place.offset = out;
    memcpy(es_model_values(&model, model.input), s->golden->inputs + i * s->golden->input_size,
           s->golden->input_size);
}

static void run(const single *s, int32_t first, int32_t end)
{
    const es_rows rows = {first, end};

    s->node->operator_->run(&model, s->node, rows);
}

static void check_output(const single *s, uint32_t i)
{
    assert_same(s->golden->name, es_model_values(&model, model.output),
                s->golden->outputs + i * s->golden->output_size, s->golden->output_size);
}

/* Guards around the output, wherever the input is not. */
static void check_guards(const single *s)
{
    const int32_t in = model.input_place.offset;
    const int32_t out = s->node->place.offset;
    int32_t at;

    for (at = s->free - GUARD; at < ARENA; at++) {
        if ((at < in || at >= in + (int32_t)s->in->elements) && (at < out || at >= out + (int32_t)s->out->elements)) {
            assert_int_equal(arena[at], GUARDED);
        }
    }
}

static void apart(const single *s, uint32_t i)
{
    place(s, i, s->free, s->free + (int32_t)s->in->elements + GUARD);
}

static void rows_may_be_computed_in_any_parts(void **state)
{
    size_t k;
    unsigned parted = 0;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        int32_t cut;
        single s;

        if (!open_single(&s, &golden_models[k]) || s.node->operator_->rule == ES_WHOLE) {
            continue;
        }
        for (cut = 0; cut <= s.rows; cut++) {
            apart(&s, 2);
            run(&s, cut, s.rows);
            run(&s, 0, cut);
            check_output(&s, 2);
            check_guards(&s);
            parted++;
        }
    }
    assert_true(parted > 100);
}

static void each_row_alone_is_written_and_no_other(void **state)
{
    size_t k;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        int32_t row;
        single s;

        if (!open_single(&s, &golden_models[k]) || s.node->operator_->rule == ES_WHOLE) {
            continue;
        }
        for (row = 0; row < s.rows; row++) {
            const int32_t size = (int32_t)s.out->elements / s.rows;
            const int32_t start = s.free + (int32_t)s.in->elements + GUARD + row * size;
            int32_t at;

            apart(&s, 3);
            run(&s, row, row + 1);
            assert_same(s.golden->name, arena + start, s.golden->outputs + 3 * s.golden->output_size + row * size,
                        (size_t)size);
            for (at = s.free + (int32_t)s.in->elements; at < ARENA; at++) {
                assert_true((at >= start && at < start + size) || arena[at] == GUARDED);
            }
        }
    }
}

static void an_output_written_as_a_whole_stays_in_its_place(void **state)
{
    size_t k;
    uint32_t i;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        single s;

        if (open_single(&s, &golden_models[k])) {
            for (i = 0; i < s.golden->count; i++) {
                apart(&s, i);
                run(&s, 0, s.rows);
                check_output(&s, i);
                check_guards(&s);
            }
        }
    }
}

/* --- overlapping memory ----------------------------------------------------------------------------------------- */

/* Input rows that output rows [first, end) are made of, by the operator's rule. */
static es_rows needed(const single *s, int32_t first, int32_t end)
{
    const es_window *w = &s->node->u.window;
    es_rows rows = {first, end};

    if (s->node->operator_->rule == ES_WINDOW) {
        rows.first = first * w->stride_h - w->pad_top;
        rows.end = (end - 1) * w->stride_h - w->pad_top + (w->filter_h - 1) * w->dilation_h + 1;
    }
    rows.first = rows.first < 0 ? 0 : rows.first;
    rows.end = rows.end > s->in->shape[1] ? s->in->shape[1] : rows.end;
    return rows;
}

/* How far the output must begin below the input, computed upwards (or the
 * input below the output, computed downwards) in blocks of n->block rows,
 * wherever they begin. */
static int32_t least_distance(const single *s, bool backward)
{
    const int32_t in_row = (int32_t)s->in->elements / s->in->shape[1];
    const int32_t out_row = (int32_t)s->out->elements / s->rows;
    int32_t least = INT32_MIN;
    int32_t first;

    for (first = 0; first < s->rows; first++) {
        const int32_t end = first + s->node->block < s->rows ? first + s->node->block : s->rows;
        const es_rows rows = needed(s, first, end);
        const int32_t distance = backward ? rows.end * in_row - first * out_row : end * out_row - rows.first * in_row;

        least = distance > least ? distance : least;
    }
    return least;
}

/* Input and output of a node with operand x as near as they may be. */
static void place_overlapping(const single *s, uint32_t i, bool backward, int32_t distance)
{
    const int32_t out_below = backward ? -distance : distance;
    const int32_t in = s->free + (out_below > 0 ? out_below : 0);

    place(s, i, in, in - out_below);
}

static bool has_rows(const single *s)
{
    return s->node->operator_->rule != ES_WHOLE && s->in->rank > 1 && s->out->rank > 1 &&
           (s->node->operator_->rule == ES_WINDOW || s->in->shape[1] == s->out->shape[1]);
}

/* Rows in two parts, with as little room between input and output as the rule of
 * the kernel's blocks allows; the number of runs. */
static unsigned run_overlapping(bool backward)
{
    size_t k;
    uint32_t i;
    unsigned tried = 0;

    for (k = 0; k < golden_model_count; k++) {
        single s;

        if (!open_single(&s, &golden_models[k]) || !(backward ? s.node->reversible : has_rows(&s))) {
            continue;
        }
        s.node->backward = backward;
        for (i = 0; i < s.golden->count; i++) {
            const int32_t cut = (int32_t)i * s.rows / (int32_t)s.golden->count;

            place_overlapping(&s, i, backward, least_distance(&s, backward));
            run(&s, backward ? cut : 0, backward ? s.rows : cut);
            run(&s, backward ? 0 : cut, backward ? cut : s.rows);
            check_output(&s, i);
            check_guards(&s);
            tried++;
        }
    }
    return tried;
}

static void output_below_the_input(void **state)
{
    (void)state;
    assert_true(run_overlapping(false) > 100);
}

static void output_above_the_input(void **state)
{
    (void)state;
    assert_true(run_overlapping(true) > 40);
}

/* ADD's output may lie exactly on an operand of its size, RELU's on its input. */
static void elementwise_in_place(void **state)
{
    size_t k;
    uint32_t i;
    unsigned tried = 0;

    (void)state;
    for (k = 0; k < golden_model_count; k++) {
        single s;

        if (open_single(&s, &golden_models[k]) && s.node->operator_->rule == ES_SAME_ROW &&
            s.in->elements == s.out->elements) {
            for (i = 0; i < s.golden->count; i++) {
                place(&s, i, s.free, s.free);
                run(&s, 0, s.rows);
                check_output(&s, i);
                tried++;
            }
        }
    }
    assert_true(tried >= 7);
}

int main(void)
{
    const struct CMUnitTest kernels[] = {
        cmocka_unit_test(rows_may_be_computed_in_any_parts),
        cmocka_unit_test(each_row_alone_is_written_and_no_other),
        cmocka_unit_test(an_output_written_as_a_whole_stays_in_its_place),
        cmocka_unit_test(output_below_the_input),
        cmocka_unit_test(output_above_the_input),
        cmocka_unit_test(elementwise_in_place),
    };

    return cmocka_run_group_tests(kernels, NULL, NULL);
}
