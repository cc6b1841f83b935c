/* CONV_2D, int8, weights (out channels, height, width, in channels / groups). */
#include "convolve.h"

es_status es_conv_check(es_model *m, es_node *n)
{
    static const es_filter_fields fields = {3, 4, 5, 0};
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    const es_status status = es_filters_check(m, n, fields);

    if (status != ES_OK) {
        return status;
    }
    /* As many groups as a filter's channels go into the input's. */
    if (in->shape[3] % weights->shape[3] != 0 || out->shape[3] % (in->shape[3] / weights->shape[3]) != 0 ||
        weights->elements / (uint32_t)weights->shape[0] > ES_DOT_MAX) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    n->scratch_size = es_convolve_scratch(m, n, weights->shape[3]);
    n->reversible = true;
    return ES_OK;
}

void es_conv_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *weights = &m->tensors[n->inputs[1]];

    es_convolve(m, n, rows, (const int8_t *)weights->constant, weights->shape[3], es_node_scratch(m, n));
}
