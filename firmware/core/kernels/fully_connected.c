/* FULLY_CONNECTED, int8, weights (out, in), one scale or one an output. */
#include "window.h"

enum { ACTIVATION = 0, WEIGHTS_FORMAT = 1 };

es_status es_fully_connected_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    es_status status;

    if (in->type != ES_TYPE_INT8 || in->scales.count != 1 || weights->rank != 2 || out->rank < 1) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    if (es_fb_i8(&m->file, n->options, WEIGHTS_FORMAT, 0) != 0) {
        return ES_ERR_OPERATOR_OPTIONS;
    }
    if (out->shape[out->rank - 1] != weights->shape[0] || weights->shape[1] > ES_DOT_MAX ||
        in->elements % (uint32_t)weights->shape[1] != 0 ||
        in->elements / (uint32_t)weights->shape[1] != out->elements / (uint32_t)weights->shape[0]) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    status = es_weights_check(m, n, weights->shape[0], 0);
    if (status != ES_OK) {
        return status;
    }
    status = es_fuse_activation(m, n, es_fb_i8(&m->file, n->options, ACTIVATION, 0));
    if (status != ES_OK) {
        return status;
    }
    if (weights->scales.count > 1) {
        return es_node_plan_channels(m, n, (uint32_t)weights->shape[0]);
    }
    return es_requantiser_from((double)in->scale * (double)weights->scale / (double)out->scale, &n->scaling)
               ? ES_OK
               : ES_ERR_MODEL_QUANTISATION;
}

uint64_t es_fully_connected_macs(const es_model *m, const es_node *n)
{
    return (uint64_t)m->tensors[n->output].elements * (uint64_t)m->tensors[n->inputs[1]].shape[1];
}

void es_fully_connected_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    const int32_t *multipliers = es_node_multipliers(m, n);
    const int8_t *shifts = es_node_shifts(m, n);
    const int8_t *x = es_model_values(m, n->inputs[0]);
    int8_t *y = es_model_values(m, n->output);
    const int32_t depth = weights->shape[1];
    uint32_t done;
    int32_t unit;

    (void)rows;

    for (done = 0; done < out->elements; done += (uint32_t)weights->shape[0]) {
        const int8_t *w = (const int8_t *)weights->constant;

        for (unit = 0; unit < weights->shape[0]; unit++) {
            const bool by_channel = n->channels != 0;
            int32_t sum = 0;
            int32_t i;

            for (i = 0; i < depth; i++) {
                sum += (x[i] - in->zero_point) * w[i];
            }
            *y++ = es_output_value(n, es_add_wrap(sum, es_bias_at(m, n, unit)),
                                   by_channel ? multipliers[unit] : n->scaling.multiplier,
                                   by_channel ? shifts[unit] : n->scaling.shift, out->zero_point);
            w += depth;
        }
        x += depth;
    }
}
