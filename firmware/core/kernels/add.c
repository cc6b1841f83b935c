/* ADD, int8, with broadcasting; either operand may be constant. */
#include "output.h"

enum { ACTIVATION = 0 };
enum { HEADROOM = 20 };

/* Size of dimension d counted from the end; 1 beyond the first. */
static int32_t from_end(const es_tensor *t, int d)
{
    return d < t->rank ? t->shape[t->rank - 1 - d] : 1;
}

/* Whether the operands are stretched to the output, dimensions aligned at the end. */
static bool broadcasts(const es_tensor *a, const es_tensor *b, const es_tensor *out)
{
    int d;

    for (d = 0; d < ES_MODEL_RANK; d++) {
        const int32_t first = from_end(a, d);
        const int32_t second = from_end(b, d);

        if ((first != second && first != 1 && second != 1) || from_end(out, d) != es_larger(first, second)) {
            return false;
        }
    }
    return a->rank <= out->rank && b->rank <= out->rank;
}

es_status es_add_check(es_model *m, es_node *n)
{
    const es_tensor *a = &m->tensors[n->inputs[0]];
    const es_tensor *b = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    const float larger = a->scale > b->scale ? a->scale : b->scale;

    if (a->type != ES_TYPE_INT8 || b->type != ES_TYPE_INT8 || a->scales.count != 1 || b->scales.count != 1) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    if (!broadcasts(a, b, out)) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    if (!es_requantiser_from(a->scale, 1.0f, larger, -1, &n->u.add.input[0]) ||
        !es_requantiser_from(b->scale, 1.0f, larger, -1, &n->u.add.input[1]) ||
        !es_requantiser_from(larger, 1.0f, out->scale, 1 - HEADROOM, &n->scaling)) {
        return ES_ERR_MODEL_QUANTISATION;
    }
    return es_fuse_activation(m, n, es_fb_i8(&m->file, n->options, ACTIVATION, 0));
}

/* Of the two operands, that of the larger scale is multiplied by one half exactly. */
static bool is_half(es_requantiser r)
{
    return r.multiplier == 1 << 30 && r.shift == 0;
}

static int32_t operand_value(const es_tensor *t, es_requantiser r, int8_t x)
{
    return es_requantise((x - t->zero_point) * (1 << HEADROOM), r.multiplier, r.shift);
}

/* `count` sums of a value of `halved` and one of `scaled`. A second half is taken of
 * the double by a shift, which es_scale needs. */
static __attribute__((noinline, hot)) void add_quickly(const es_node *n, const es_tensor *halved, const int8_t *x1,
                                                       const es_tensor *scaled, es_requantiser r, const int8_t *x2,
                                                       int32_t zero_point, int8_t *y, int32_t count)
{
    const int doubled_unit = (is_half(r) ? HEADROOM + 1 : HEADROOM) + 1;
    const es_scaler from = es_scaler_from(r.multiplier, is_half(r) ? -1 : r.shift, 0);
    const es_scaler to = es_scaler_from(n->scaling.multiplier, n->scaling.shift, zero_point);
    const int32_t zero1 = halved->zero_point;
    const int32_t zero2 = scaled->zero_point;
    const int8_t *const end = y + count;

    while (y != end) {
        const int32_t value = es_scale_doubled((*x2++ - zero2) * (1 << doubled_unit), from);

        *y++ = (int8_t)es_saturate8(es_scale((*x1++ - zero1) * (1 << (HEADROOM - 1)) + value, to));
    }
}

/* Where an operand's value is that belongs to element `i` of the output. */
static ES_SMALL __attribute__((noinline)) int32_t source(const es_tensor *in, const es_tensor *out, int32_t i)
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
    const es_tensor *out = &m->tensors[n->output];
    const es_rows part = es_row_elements(out, rows);
    const int half = is_half(n->u.add.input[0]) ? 0 : 1;
    const int other = 1 - half;
    const es_requantiser scaling = n->u.add.input[other];
    int8_t *const y = es_model_values(m, n->output);
    const int32_t count = part.end - part.first;
    const es_tensor *in[2];
    const int8_t *x[2];
    int32_t i;
    int k;

    for (k = 0; k < 2; k++) {
        in[k] = &m->tensors[n->inputs[k]];
        x[k] = es_model_values(m, n->inputs[k]);
    }
    if (in[0]->elements == out->elements && in[1]->elements == out->elements && is_half(n->u.add.input[half]) &&
        (is_half(scaling) || es_scaler_fits(scaling.shift)) && es_scaler_fits(n->scaling.shift)) {
        add_quickly(n, in[half], x[half] + part.first, in[other], scaling, x[other] + part.first, out->zero_point,
                    y + part.first, count);
    } else {
        for (i = part.first; i < part.end; i++) {
            int32_t sum = 0;

            for (k = 0; k < 2; k++) {
                sum += operand_value(in[k], n->u.add.input[k], x[k][source(in[k], out, i)]);
            }
            y[i] = es_channel_value(sum, n->scaling.multiplier, n->scaling.shift, out->zero_point);
        }
    }
    es_limit_values(n, y + part.first, count);
}
