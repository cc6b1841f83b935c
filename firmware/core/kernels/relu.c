/* RELU and RELU6, int8. */
#include "output.h"

static es_status same_shape(const es_model *m, const es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];

    if (in->type != ES_TYPE_INT8 || in->scales.count != 1) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    return in->elements == m->tensors[n->output].elements ? ES_OK : ES_ERR_OPERATOR_SHAPE;
}

es_status es_relu_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    es_status status = same_shape(m, n);

    if (status != ES_OK) {
        return status;
    }
    if (!es_requantiser_from(in->scale, 1.0f, out->scale, 0, &n->scaling)) {
        return ES_ERR_MODEL_QUANTISATION;
    }
    return es_fuse_activation(m, n, ES_ACTIVATION_RELU);
}

void es_relu_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const int8_t *x = es_model_values(m, n->inputs[0]);
    int8_t *y = es_model_values(m, n->output);
    const es_rows part = es_row_elements(out, rows);
    int32_t i;

    for (i = part.first; i < part.end; i++) {
        y[i] = es_channel_value(x[i] - in->zero_point, n->scaling.multiplier, n->scaling.shift, out->zero_point);
    }
    es_limit_values(n, y + part.first, part.end - part.first);
}

/* The reference clamps in the input's quantisation, which the output shares. */
es_status es_relu6_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    es_status status = same_shape(m, n);

    n->low = es_larger(-128, in->zero_point);
    n->high = es_smaller(127, in->zero_point + es_quantise_float(6.0f, in->scale));
    return status;
}

void es_relu6_run(const es_model *m, const es_node *n, es_rows rows)
{
    const int8_t *x = es_model_values(m, n->inputs[0]);
    int8_t *y = es_model_values(m, n->output);
    const es_rows part = es_row_elements(&m->tensors[n->output], rows);
    int32_t i;

    for (i = part.first; i < part.end; i++) {
        y[i] = es_clamp_i8(x[i], n->low, n->high);
    }
}
