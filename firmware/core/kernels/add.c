/* ADD, int8, with broadcasting; either operand may be constant. */
#include "output.h"

enum { ACTIVATION = 0 };
enum { HEADROOM = 20 };

/* Whether `in` can be stretched to `out`, dimensions aligned at the end. */
static bool broadcasts(const es_tensor *in, const es_tensor *out)
{
    int d;

    if (in->rank > out->rank) {
        return false;
    }
    for (d = 0; d < in->rank; d++) {
        const int32_t size = in->shape[in->rank - 1 - d];

        if (size != 1 && size != out->shape[out->rank - 1 - d]) {
            return false;
        }
    }
    return true;
}

/* Size of dimension d counted from the end; 1 beyond the first. */
static int32_t from_end(const es_tensor *t, int d)
{
    return d < t->rank ? t->shape[t->rank - 1 - d] : 1;
}

es_status es_add_check(es_model *m, es_node *n)
{
    const es_tensor *a = &m->tensors[n->inputs[0]];
    const es_tensor *b = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    const double twice = 2.0 * (double)(a->scale > b->scale ? a->scale : b->scale);
    int d;

    if (a->type != ES_TYPE_INT8 || b->type != ES_TYPE_INT8 || a->scales.count != 1 || b->scales.count != 1) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    if (!broadcasts(a, out) || !broadcasts(b, out)) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    for (d = 0; d < out->rank; d++) {
        if (from_end(out, d) != es_larger(from_end(a, d), from_end(b, d))) {
            return ES_ERR_OPERATOR_SHAPE;
        }
    }
    if (!es_requantiser_from((double)a->scale / twice, &n->u.add.input[0]) ||
        !es_requantiser_from((double)b->scale / twice, &n->u.add.input[1]) ||
        !es_requantiser_from(twice / ((double)(1 << HEADROOM) * (double)out->scale), &n->scaling)) {
        return ES_ERR_MODEL_QUANTISATION;
    }
    return es_fuse_activation(m, n, es_fb_i8(&m->file, n->options, ACTIVATION, 0));
}

/* An operand's part of the sum, for a value less its zero point: es_requantise of
 * the value with HEADROOM bits below it. Its multiplier is at most a half. Of one
 * half exactly, which has no shift, the value may be taken twice and halved. */
typedef struct {
    es_scaler scaler;
    int32_t zero_point;
    int32_t unit;
    int32_t step; /* from one value to the next; 0: the same for all */
} operand;

static bool quick_operand(const es_tensor *t, es_requantiser r, operand *out)
{
    const bool half = r.shift == 0 && r.multiplier == 1 << 30;

    if (!half && !es_scaler_fits(r.shift)) {
        return false;
    }
    out->scaler = es_scaler_from(r.multiplier, half ? -1 : r.shift, 0);
    out->zero_point = t->zero_point;
    out->unit = HEADROOM + (half ? 1 : 0);
    return true;
}

/* `count` sums of neighbours. */
static void add_quickly(const es_scaler *scaler, const operand *a, const operand *b, const int8_t *x1,
                        const int8_t *x2, int8_t *y, int32_t count)
{
    const es_scaler to = *scaler;
    const es_scaler from1 = a->scaler;
    const es_scaler from2 = b->scaler;
    int32_t i;

    for (i = 0; i < count; i++) {
        const int32_t value1 = es_scale((*x1 - a->zero_point) * (1 << a->unit), from1);
        const int32_t value2 = es_scale((*x2 - b->zero_point) * (1 << b->unit), from2);

        x1 += a->step;
        x2 += b->step;
        *y++ = (int8_t)es_saturate8(es_scale(value1 + value2, to));
    }
}

static void add_slowly(const es_model *m, const es_node *n, const operand *a, const operand *b, const int8_t *x1,
                       const int8_t *x2, int8_t *y, int32_t count)
{
    const es_requantiser *r = n->u.add.input;
    int32_t i;

    for (i = 0; i < count; i++) {
        const int32_t value1 = (*x1 - m->tensors[n->inputs[0]].zero_point) * (1 << HEADROOM);
        const int32_t value2 = (*x2 - m->tensors[n->inputs[1]].zero_point) * (1 << HEADROOM);
        const int32_t sum = es_requantise(value1, r[0].multiplier, r[0].shift) +
                            es_requantise(value2, r[1].multiplier, r[1].shift);

        x1 += a->step;
        x2 += b->step;
        *y++ = es_channel_value(sum, n->scaling.multiplier, n->scaling.shift, m->tensors[n->output].zero_point);
    }
}

/* Where an operand's value is that belongs to element `i` of the output. */
static int32_t source(const es_tensor *in, const es_tensor *out, int32_t i)
{
    int32_t stride = 1;
    int32_t at = 0;
    int d;

    for (d = 0; d < out->rank; d++) {
        const int32_t size = from_end(out, d);

        if (from_end(in, d) != 1) {
            at += i % size * stride;
            stride *= size;
        }
        i /= size;
    }
    return at;
}

void es_add_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *a = &m->tensors[n->inputs[0]];
    const es_tensor *b = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    const int8_t *x1 = es_model_values(m, n->inputs[0]);
    const int8_t *x2 = es_model_values(m, n->inputs[1]);
    int8_t *y = es_model_values(m, n->output);
    const es_rows part = es_row_elements(out, rows);
    const bool alike = a->elements == out->elements && b->elements == out->elements;
    const int32_t run = alike ? part.end - part.first : from_end(out, 0);
    es_scaler to = {0, 0, 0};
    operand from1;
    operand from2;
    const bool quick = quick_operand(a, n->u.add.input[0], &from1) &&
                       quick_operand(b, n->u.add.input[1], &from2) && es_scaler_fits(n->scaling.shift);
    int32_t i;

    if (quick) {
        to = es_scaler_from(n->scaling.multiplier, n->scaling.shift, out->zero_point);
    }
    from1.step = from_end(a, 0) == from_end(out, 0) ? 1 : 0;
    from2.step = from_end(b, 0) == from_end(out, 0) ? 1 : 0;
    for (i = part.first; i < part.end; i += run) {
        if (quick) {
            add_quickly(&to, &from1, &from2, x1 + source(a, out, i), x2 + source(b, out, i), y + i, run);
        } else {
            add_slowly(m, n, &from1, &from2, x1 + source(a, out, i), x2 + source(b, out, i), y + i, run);
        }
    }
    es_limit_values(n, y + part.first, part.end - part.first);
}
