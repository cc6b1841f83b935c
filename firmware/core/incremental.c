#include "incremental.h"

#include <string.h>

#include "operators.h"
#include "planner.h"

/* What is known of a tensor's rows. */
typedef struct {
    uint16_t stride; /* frames from row to row; 0 where rows are not places in time */
    uint16_t rows;
    uint16_t first; /* clean rows [first, end) */
    uint16_t end;
} timeline;

/* Timelines of all nodes' outputs, and last the input's. */
typedef struct {
    timeline of[ES_MODEL_NODES + 1];
} timelines;

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static int32_t smaller(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t extent(const es_window *w)
{
    return (w->filter_h - 1) * w->dilation_h + 1;
}

static bool is_computed(const es_model *m, int16_t tensor)
{
    return tensor >= 0 && m->tensors[tensor].constant == NULL;
}

static const timeline *timeline_of(const es_model *m, const timelines *t, int16_t tensor)
{
    return &t->of[tensor == m->input ? ES_MODEL_NODES : m->tensors[tensor].writer];
}

/* Whether a tensor's rows, as its shape has them, are those of its timeline. */
static bool has_rows(const es_model *m, int16_t tensor, const timeline *line)
{
    const es_tensor *t = &m->tensors[tensor];

    return line->stride != 0 && t->rank > 1 && t->shape[0] == 1 && t->shape[1] == line->rows;
}

/* The clean rows of a window operator's output. */
static void look_through(const es_window *w, timeline *line, int32_t rows)
{
    const int32_t first = (line->first + w->pad_top + w->stride_h - 1) / w->stride_h;
    const int32_t room = line->end + w->pad_top - extent(w);
    const int32_t end = room < 0 ? 0 : smaller(room / w->stride_h + 1, rows);
    const int32_t stride = line->stride * w->stride_h;

    line->stride = stride > UINT16_MAX ? 0 : (uint16_t)stride;
    line->rows = (uint16_t)rows;
    line->first = (uint16_t)smaller(first, end);
    line->end = (uint16_t)end;
}

/* Whether a constant operand is the same at all places in time. */
static bool is_timeless(const es_model *m, const es_node *n, int16_t operand)
{
    const es_tensor *t = &m->tensors[operand];
    const int dimension = t->rank - m->tensors[n->output].rank + 1;

    return n->operator_->rule != ES_SAME_ROW || dimension < 0 || t->shape[dimension] == 1;
}

static timeline follow(const es_model *m, const timelines *t, const es_node *n)
{
    static const timeline none = {0, 0, 0, 0};
    const es_tensor *out = &m->tensors[n->output];
    timeline line = none;
    bool timeless = true;
    int i;

    for (i = 0; i < ES_NODE_INPUTS; i++) {
        const timeline *in;

        if (n->inputs[i] >= 0 && !is_computed(m, n->inputs[i])) {
            timeless = timeless && is_timeless(m, n, n->inputs[i]);
        }
        if (!is_computed(m, n->inputs[i])) {
            continue;
        }
        in = timeline_of(m, t, n->inputs[i]);
        /* A view may also give a flat input its rows. */
        if (n->operator_->rule == ES_WHOLE || in->stride == 0 ||
            (n->operator_->rule != ES_VIEW && !has_rows(m, n->inputs[i], in)) ||
            (n->operator_->rule == ES_SAME_ROW && m->tensors[n->inputs[i]].rank != out->rank) ||
            (line.stride != 0 && (line.stride != in->stride || line.rows != in->rows))) {
            return none;
        }
        if (line.stride == 0) {
            line = *in;
        } else {
            line.first = (uint16_t)larger(line.first, in->first);
            line.end = (uint16_t)larger(line.first, smaller(line.end, in->end));
        }
    }
    if (line.stride != 0 && n->operator_->rule == ES_WINDOW) {
        look_through(&n->u.window, &line, out->shape[1]);
    }
    if (!timeless) {
        line.end = line.first;
    }
    return has_rows(m, n->output, &line) ? line : none;
}

/* Adds rows before `head` and from `tail` on to those that are needed of a tensor. */
static void need(es_model *m, int16_t tensor, int32_t head, int32_t tail)
{
    es_node *writer;

    if (is_computed(m, tensor) && tensor != m->input) {
        writer = &m->nodes[m->tensors[tensor].writer];
        writer->head = (uint16_t)larger(writer->head, head);
        writer->tail = (uint16_t)smaller(writer->tail, tail);
    }
}

/* Decides whether a node's output is kept, if it may be, from what its readers
 * need, and what it needs itself. */
static void decide(es_model *m, const timelines *t, uint16_t k, bool may_keep)
{
    es_node *n = &m->nodes[k];
    const timeline *line = &t->of[k];
    int32_t head;
    int32_t tail;
    int i;

    if (may_keep && line->stride != 0 && m->hop % line->stride == 0 && n->operator_->rule != ES_VIEW) {
        const int32_t shift = m->hop / line->stride;

        if (line->first < line->end - shift && (n->head > line->first || n->tail < line->end - shift)) {
            n->shift = (uint16_t)shift;
            n->head = line->first;
            n->tail = (uint16_t)(line->end - shift);
        }
    }
    if (line->stride == 0 || n->head >= n->tail || n->head >= line->rows) {
        n->head = n->tail = 0; /* all */
    }
    head = n->head;
    tail = n->tail;
    for (i = 0; i < ES_NODE_INPUTS; i++) {
        if (n->inputs[i] < 0) {
            continue;
        }
        if (head == tail) {
            need(m, n->inputs[i], UINT16_MAX, 0);
        } else if (n->operator_->rule == ES_WINDOW && i == 0) {
            const es_window *w = &n->u.window;

            need(m, n->inputs[i], head == 0 ? 0 : larger(0, (head - 1) * w->stride_h - w->pad_top + extent(w)),
                 tail >= line->rows ? UINT16_MAX : larger(0, tail * w->stride_h - w->pad_top));
        } else {
            need(m, n->inputs[i], head, tail);
        }
    }
}

/* Plans with outputs kept of the first `limit` nodes alone; how many nodes there
 * are up to the last one whose output is kept. */
static uint16_t plan_hop(es_model *m, const timelines *t, uint16_t limit)
{
    uint16_t last = 0;
    uint16_t k;

    for (k = 0; k < m->node_count; k++) {
        m->nodes[k].shift = m->nodes[k].head = 0;
        m->nodes[k].tail = UINT16_MAX;
    }
    need(m, m->output, UINT16_MAX, 0);
    for (k = m->node_count; k-- > 0;) {
        decide(m, t, k, k < limit);
        last = last == 0 && m->nodes[k].shift > 0 ? (uint16_t)(k + 1) : last;
    }
    es_plan_arena(m);
    return last;
}

es_status es_incremental_plan(es_model *m, uint16_t frames, uint16_t hop, size_t arena_size)
{
    const uint32_t elements = m->tensors[m->input].elements;
    timelines t;
    uint16_t kept;
    uint16_t k;

    if (frames == 0 || elements % frames != 0) {
        return ES_ERR_INPUT_SIZE;
    }
    if (hop == 0 || hop > frames) {
        return ES_ERR_ARGUMENT;
    }
    m->frames = frames;
    m->hop = hop;
    m->arena = NULL;
    t.of[ES_MODEL_NODES].stride = 1;
    t.of[ES_MODEL_NODES].rows = t.of[ES_MODEL_NODES].end = frames;
    t.of[ES_MODEL_NODES].first = 0;
    for (k = 0; k < m->node_count; k++) {
        t.of[k] = follow(m, &t, &m->nodes[k]);
    }
    /* The later an output, the fewer of its rows are clean. */
    for (kept = plan_hop(m, &t, m->node_count); kept > 0 && m->arena_size > arena_size;) {
        kept = plan_hop(m, &t, (uint16_t)(kept - 1));
    }
    return ES_OK;
}

void es_incremental_reset(es_model *m, int8_t value)
{
    memset(es_model_values(m, m->input), value, m->tensors[m->input].elements);
    m->stale = true;
    m->added = 0;
}

/* Moves the rows of a kept output that are still right to their new places. */
static void move_on(const es_model *m, const es_node *n)
{
    const es_tensor *out = &m->tensors[n->output];
    const uint32_t row = out->elements / (uint32_t)out->shape[1];
    int8_t *y = es_model_values(m, n->output);

    memmove(y + n->head * row, y + (uint32_t)(n->head + n->shift) * row, (uint32_t)(n->tail - n->head) * row);
}

static void hop(const es_model *m, const es_node *n)
{
    const int32_t end = es_node_rows(m, n);
    const bool all = m->stale || n->head == n->tail;
    const es_rows before = {0, all ? 0 : n->head};
    const es_rows after = {all ? 0 : n->tail, end};
    int part;

    if (!all && n->shift > 0) {
        move_on(m, n);
    }
    for (part = 0; part < 2; part++) {
        const es_rows rows = (part == 0) == n->backward ? after : before;

        if (rows.first < rows.end) {
            n->operator_->run(m, n, rows);
        }
    }
}

/* Puts a frame into the window, which makes room for a whole hop when its first frame comes. */
static void add(es_model *m, const int8_t *frame)
{
    const uint32_t size = m->tensors[m->input].elements;
    const uint32_t row = size / m->frames;
    int8_t *window = es_model_values(m, m->input);

    if (m->added == 0) {
        memmove(window, window + m->hop * row, size - m->hop * row);
    }
    memcpy(window + (uint32_t)(m->frames - m->hop + m->added) * row, frame, row);
    m->added++;
}

es_status es_incremental_push(es_model *m, const int8_t *frame, bool *answered, int8_t *output, size_t output_size)
{
    uint16_t k;

    *answered = false;
    if (m->frames == 0) {
        return ES_ERR_ARGUMENT;
    }
    if (m->arena == NULL) {
        return ES_ERR_ARENA;
    }
    if (output_size != m->tensors[m->output].elements) {
        return ES_ERR_OUTPUT_SIZE;
    }
    add(m, frame);
    if (m->added < m->hop) {
        return ES_OK;
    }
    for (k = 0; k < m->node_count; k++) {
        hop(m, &m->nodes[k]);
    }
    m->stale = false;
    m->added = 0;
    *answered = true;
    memcpy(output, es_model_values(m, m->output), output_size);
    return ES_OK;
}

uint64_t es_incremental_macs(const es_model *m)
{
    uint64_t total = 0;
    uint16_t k;

    for (k = 0; k < m->node_count; k++) {
        const es_node *n = &m->nodes[k];
        const uint64_t macs = es_operator_macs(m, n);
        const uint32_t rows = (uint32_t)es_node_rows(m, n);
        const uint32_t tail = n->tail < rows ? n->tail : rows;
        const uint32_t computed = n->head == n->tail ? rows : n->head + rows - tail;

        total += macs / rows * computed;
    }
    return total;
}
