#include "planner.h"

#include "operators.h"

/* Pieces by number: the outputs of all nodes, then their scratch, then the input. */
enum { PIECES = 2 * ES_MODEL_NODES + 1 };

#if ES_MODEL_NODES > 255
#error "ES_MODEL_NODES: a node's number and the one after the last must fit a byte here"
#endif

/* A piece in the order of placing, and the nodes between which it is in use. */
typedef struct {
    uint16_t number;
    uint8_t first;
    uint8_t last;
} entry;

typedef struct {
    int32_t size;
    int32_t *offset;
    int16_t first; /* nodes between which it is in use */
    int16_t last;
} piece;

static int32_t aligned(uint32_t size)
{
    return (int32_t)((size + ES_ARENA_ALIGNMENT - 1) / ES_ARENA_ALIGNMENT * ES_ARENA_ALIGNMENT);
}

static es_place *place_of(es_model *m, int16_t tensor)
{
    const int16_t writer = m->tensors[tensor].writer;

    return writer < 0 ? &m->input_place : &m->nodes[writer].place;
}

/* The tensor that owns the memory on which a tensor lies. */
static int16_t root(es_model *m, int16_t tensor)
{
    while (place_of(m, tensor)->shares >= 0) {
        tensor = place_of(m, tensor)->shares;
    }
    return tensor;
}

static bool is_computed(const es_model *m, int16_t tensor)
{
    return tensor >= 0 && m->tensors[tensor].constant == NULL;
}

static void find_last_uses(es_model *m)
{
    int16_t k;
    int i;

    m->input_place.shares = -1;
    m->input_place.last_use = m->frames > 0 ? ES_MODEL_NODES : 0;
    for (k = 0; k < (int16_t)m->node_count; k++) {
        es_node *n = &m->nodes[k];

        if (n->operator_->rule != ES_VIEW) {
            n->place.shares = -1;
        }
        n->place.last_use = n->shift > 0 ? ES_MODEL_NODES : k;
        for (i = 0; i < ES_NODE_INPUTS; i++) {
            if (is_computed(m, n->inputs[i])) {
                es_place *p = place_of(m, root(m, n->inputs[i]));

                p->last_use = p->last_use > k ? p->last_use : k;
            }
        }
    }
    place_of(m, root(m, m->output))->last_use = ES_MODEL_NODES;
}

/* Lets element-wise operators write over an operand that nothing needs any more. */
static void work_in_place(es_model *m)
{
    int16_t k;
    int i;

    for (k = 0; k < (int16_t)m->node_count; k++) {
        es_node *n = &m->nodes[k];

        for (i = 0; i < 2 && n->operator_->rule == ES_SAME_ROW && n->shift == 0 && n->place.shares < 0; i++) {
            if (is_computed(m, n->inputs[i]) &&
                m->tensors[n->inputs[i]].elements == m->tensors[n->output].elements) {
                es_place *p = place_of(m, root(m, n->inputs[i]));

                if (p->last_use == k) {
                    p->last_use = n->place.last_use;
                    n->place.shares = n->inputs[i];
                }
            }
        }
    }
}

static piece piece_at(es_model *m, int number)
{
    piece p = {0, &m->input_place.offset, 0, 0};

    if (number < m->node_count) {
        es_node *n = &m->nodes[number];

        p.size = n->place.shares >= 0 ? 0 : aligned(m->tensors[n->output].elements);
        p.offset = &n->place.offset;
        p.first = n->shift > 0 ? 0 : (int16_t)number;
        p.last = n->place.last_use;
    } else if (number < 2 * m->node_count) {
        es_node *n = &m->nodes[number - m->node_count];

        p.size = aligned(n->scratch_size);
        p.offset = &n->scratch;
        p.first = p.last = (int16_t)(number - m->node_count);
    } else {
        p.size = aligned(m->tensors[m->input].elements);
        p.last = m->input_place.last_use;
    }
    return p;
}

/* Bytes that the input must lie above the output, or below it if `backward`, for
 * a block that begins at row `first`. */
static int32_t reach_at(const es_model *m, const es_node *n, bool backward, int32_t first)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const es_window *w = &n->u.window;
    const int32_t in_row = in->shape[2] * in->shape[3];
    const int32_t out_row = out->shape[2] * out->shape[3];
    const int32_t end = first + n->block < out->shape[1] ? first + n->block : out->shape[1];
    const int32_t top = first * w->stride_h - w->pad_top;
    const int32_t bottom = (end - 1) * w->stride_h - w->pad_top + (w->filter_h - 1) * w->dilation_h + 1;

    if (backward) {
        return (bottom < in->shape[1] ? bottom : in->shape[1]) * in_row - first * out_row;
    }
    return end * out_row - (top > 0 ? top : 0) * in_row;
}

/* The most for any block. Between the rows at which blocks or windows begin to be
 * cut off it grows or falls evenly, so that the rows beside these tell. */
static int32_t reach(const es_model *m, const es_node *n, bool backward)
{
    const es_window *w = &n->u.window;
    const int32_t rows = m->tensors[n->output].shape[1];
    const int32_t height = m->tensors[n->inputs[0]].shape[1];
    const int32_t over = height + w->pad_top - (w->filter_h - 1) * w->dilation_h - 1;
    const int32_t cut = backward ? over / w->stride_h - n->block + 1 : w->pad_top / w->stride_h;
    const int32_t turns[] = {0, cut, cut + 1, rows - n->block, rows - n->block + 1, rows - 1};
    int32_t most = 0;
    size_t i;

    for (i = 0; i < sizeof turns / sizeof turns[0]; i++) {
        if (turns[i] >= 0 && turns[i] < rows) {
            const int32_t bytes = reach_at(m, n, backward, turns[i]);

            most = bytes > most ? bytes : most;
        }
    }
    return aligned((uint32_t)most);
}

/* Whether the output of node `number` may reach into piece `input`. */
static bool may_reach(es_model *m, int number, int input)
{
    const es_node *n = &m->nodes[number];
    int16_t tensor;

    if (n->operator_->rule != ES_WINDOW || n->shift > 0 || m->tensors[n->output].shape[0] != 1) {
        return false;
    }
    tensor = root(m, n->inputs[0]);
    return place_of(m, tensor)->last_use == number &&
           input == (tensor == m->input ? 2 * m->node_count : m->tensors[tensor].writer);
}

/* Bytes that piece `high` must begin above the beginning of `low` to lie above it. */
static int32_t apart(es_model *m, int low, int high)
{
    if (low < m->node_count && may_reach(m, low, high)) {
        return reach(m, &m->nodes[low], false);
    }
    if (high < m->node_count && m->nodes[high].reversible && may_reach(m, high, low)) {
        return reach(m, &m->nodes[high], true);
    }
    return piece_at(m, low).size;
}

/* The nearest offset from `offset` on, upwards or downwards, at which the piece
 * after `count` others gets along with them. */
static int32_t slide(es_model *m, const entry *order, int count, int32_t offset, bool up)
{
    const entry *e = &order[count];
    const int32_t size = piece_at(m, e->number).size;
    bool moved = true;
    int i;

    while (moved) {
        moved = false;
        for (i = 0; i < count; i++) {
            const entry *o = &order[i];
            piece p;

            if (o->first > e->last || e->first > o->last) {
                continue;
            }
            p = piece_at(m, o->number);
            if (offset < *p.offset + p.size && *p.offset < offset + size &&
                offset < *p.offset + apart(m, o->number, e->number) &&
                *p.offset < offset + apart(m, e->number, o->number)) {
                offset = up ? *p.offset + apart(m, o->number, e->number) : *p.offset - apart(m, e->number, o->number);
                moved = true;
            }
        }
    }
    return offset;
}

/* Places pieces in an order; the bytes that they take, from *bottom on. */
static int32_t place_in_order(es_model *m, const entry *order, int count, int32_t *bottom)
{
    int32_t low = 0;
    int32_t high = 0;
    int i;

    for (i = 0; i < count; i++) {
        const piece p = piece_at(m, order[i].number);
        const int32_t above = slide(m, order, i, low, true);
        const int32_t below = slide(m, order, i, high - p.size, false);

        *p.offset = above + p.size - high < low - below ? above : below;
        low = *p.offset < low ? *p.offset : low;
        high = *p.offset + p.size > high ? *p.offset + p.size : high;
    }
    *bottom = low;
    return high - low;
}

/* Lists the pieces that take memory, first those that are in use all the time,
 * as they are computed or the largest first. Returns their number. */
static int list_pieces(es_model *m, bool by_size, entry *order)
{
    int count = 0;
    int kept;
    int i;

    for (kept = 1; kept >= 0; kept--) {
        const int begin = count;

        for (i = -1; i < 2 * m->node_count; i++) {
            /* The input, then of each node output and scratch. */
            const int number = i < 0 ? 2 * m->node_count : i / 2 + (i % 2 == 0 ? 0 : m->node_count);
            const piece p = piece_at(m, number);
            int j = count;

            if (p.size == 0 || (p.first == 0 && p.last == ES_MODEL_NODES) != (kept == 1)) {
                continue;
            }
            for (; by_size && j > begin && piece_at(m, order[j - 1].number).size < p.size; j--) {
                order[j] = order[j - 1];
            }
            order[j].number = (uint16_t)number;
            order[j].first = (uint8_t)p.first;
            order[j].last = (uint8_t)p.last;
            count++;
        }
    }
    return count;
}

static int32_t place_pieces(es_model *m, bool by_size)
{
    entry order[PIECES];
    const int count = list_pieces(m, by_size, order);
    int32_t bottom;
    const int32_t bytes = place_in_order(m, order, count, &bottom);
    int i;

    for (i = 0; i < count; i++) {
        *piece_at(m, order[i].number).offset -= bottom;
    }
    return bytes;
}

void es_plan_arena(es_model *m)
{
    int32_t by_size;
    int32_t as_computed;
    uint16_t k;

    find_last_uses(m);
    work_in_place(m);
    by_size = place_pieces(m, true);
    as_computed = place_pieces(m, false);
    m->arena_size = (uint32_t)(as_computed <= by_size ? as_computed : place_pieces(m, true));
    for (k = 0; k < m->node_count; k++) {
        es_node *n = &m->nodes[k];

        n->persistent = m->arena_size;
        m->arena_size += (uint32_t)aligned(n->channels * 5);
        n->place.offset = place_of(m, root(m, n->output))->offset;
        n->backward = n->reversible && n->place.offset > place_of(m, root(m, n->inputs[0]))->offset;
    }
}
