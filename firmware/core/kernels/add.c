/* ADD, int8, with broadcasting; either operand may be constant. */
#include "window.h"

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

void es_add_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *out = &m->tensors[n->output];
    int8_t *y = es_model_values(m, n->output);
    const es_rows part = es_row_elements(out, rows);
    uint32_t i;

    for (i = (uint32_t)part.first; i < (uint32_t)part.end; i++) {
        int32_t sum = 0;
        int operand;

        for (operand = 0; operand < 2; operand++) {
            const es_tensor *in = &m->tensors[n->inputs[operand]];
            const es_requantiser r = n->u.add.input[operand];
            uint32_t rest = i;
            uint32_t stride = 1;
            uint32_t at = 0;
            int d;

            for (d = 0; d < out->rank; d++) {
                const uint32_t size = (uint32_t)from_end(out, d);

                if (from_end(in, d) != 1) {
                    at += rest % size * stride;
                    stride *= size;
                }
                rest /= size;
            }
            sum += es_requantise((es_model_values(m, n->inputs[operand])[at] - in->zero_point) * (1 << HEADROOM),
                                 r.multiplier, r.shift);
        }
        y[i] = es_output_value(n, sum, n->scaling.multiplier, n->scaling.shift, out->zero_point);
    }
}
