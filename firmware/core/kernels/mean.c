/* MEAN over any dimensions, int8. The division by the number of values is part
 * of the output's multiplier, as the reference does it. */
#include "output.h"

enum { KEEP_DIMENSIONS = 0 };

/* Bit d for every dimension d that is averaged away. */
static es_status read_axes(const es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *axes = &m->tensors[n->inputs[1]];
    uint32_t i;

    if (in->type != ES_TYPE_INT8 || in->scales.count != 1 || axes->type != ES_TYPE_INT32 || axes->constant == NULL) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    for (i = 0; i < axes->elements; i++) {
        int32_t axis = es_load_i32(axes->constant + 4 * (size_t)i);

        if (axis < -in->rank || axis >= in->rank) {
            return ES_ERR_OPERATOR_SHAPE;
        }
        axis = axis < 0 ? axis + in->rank : axis;
        n->u.mean.reduced |= (uint8_t)(1u << axis);
    }
    return ES_OK;
}

static bool is_reduced(const es_node *n, int d)
{
    return (n->u.mean.reduced >> d & 1) != 0;
}

/* value * 2^bits / divisor, rounded down, where it has 32 bits: a division of 64 bits
 * is a library's, and large. */
static uint32_t quotient(uint32_t value, int bits, uint32_t divisor)
{
    uint32_t whole = value / divisor;
    uint32_t rest = value % divisor;

    for (; bits > 0; bits--) {
        rest *= 2;
        whole = whole * 2 + (rest >= divisor ? 1 : 0);
        rest -= rest >= divisor ? divisor : 0;
    }
    return whole;
}

es_status es_mean_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const bool keep = es_fb_i8(&m->file, n->options, KEEP_DIMENSIONS, 0) != 0;
    const es_status status = read_axes(m, n);
    uint32_t count = 1;
    int at = 0;
    int log2 = 0;
    int d;

    if (status != ES_OK) {
        return status;
    }
    for (d = 0; d < in->rank; d++) {
        count *= is_reduced(n, d) ? (uint32_t)in->shape[d] : 1;
        if (is_reduced(n, d) && !keep) {
            continue;
        }
        if (at == ES_MODEL_RANK || out->shape[at] != (is_reduced(n, d) ? 1 : in->shape[d])) {
            return ES_ERR_OPERATOR_SHAPE;
        }
        at++;
    }
    if (out->rank != at || count > 1u << 22) {
        return ES_ERR_OPERATOR_SHAPE; /* sums of more would leave 32 bits */
    }
    if (!es_requantiser_from(in->scale, 1.0f, out->scale, 0, &n->scaling)) {
        return ES_ERR_MODEL_QUANTISATION;
    }
    while (count >> (log2 + 1) != 0) {
        log2++;
    }
    log2 = log2 < 31 + n->scaling.shift ? log2 : 31 + n->scaling.shift;
    n->scaling.multiplier = (int32_t)quotient((uint32_t)n->scaling.multiplier, log2, count);
    n->scaling.shift = (int8_t)(n->scaling.shift - log2);
    n->u.mean.count = count;
    return ES_OK;
}

/* Values from one place to the next along each dimension, and how many places are
 * summed (of a dimension that is averaged away) or stay (of another). */
typedef struct {
    int32_t step[ES_MODEL_RANK];
    int32_t sums[ES_MODEL_RANK];
    int32_t stays[ES_MODEL_RANK];
} axes;

static axes axes_of(const es_tensor *in, const es_node *n)
{
    axes a;
    int32_t step = 1;
    int d;

    for (d = ES_MODEL_RANK - 1; d >= 0; d--) {
        a.step[d] = step;
        a.sums[d] = is_reduced(n, d) ? in->shape[d] : 1; /* shapes are 1 beyond the rank */
        a.stays[d] = is_reduced(n, d) ? 1 : in->shape[d];
        step *= in->shape[d];
    }
    return a;
}

static int32_t sum_from(const axes *a, const int8_t *x)
{
    int32_t sum = 0;
    int32_t i;
    int32_t j;
    int32_t k;
    int32_t l;

    for (i = 0; i < a->sums[0]; i++) {
        for (j = 0; j < a->sums[1]; j++) {
            for (k = 0; k < a->sums[2]; k++) {
                const int8_t *value = x + i * a->step[0] + j * a->step[1] + k * a->step[2];

                for (l = 0; l < a->sums[3]; l++) {
                    sum += *value;
                    value += a->step[3];
                }
            }
        }
    }
    return sum;
}

void es_mean_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const axes a = axes_of(in, n);
    const int8_t *x = es_model_values(m, n->inputs[0]);
    int8_t *y = es_model_values(m, n->output);
    int32_t i;

    (void)rows;
    for (i = 0; i < (int32_t)out->elements; i++) {
        int32_t rest = i;
        int32_t at = 0;
        int32_t sum;
        int d;

        for (d = ES_MODEL_RANK - 1; d >= 0; d--) {
            at += rest % a.stays[d] * a.step[d];
            rest /= a.stays[d];
        }
        sum = sum_from(&a, x + at) - in->zero_point * (int32_t)n->u.mean.count;
        y[i] = es_channel_value(sum, n->scaling.multiplier, n->scaling.shift, out->zero_point);
    }
}
