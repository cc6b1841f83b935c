/* FULLY_CONNECTED, int8, weights (out, in), one scale or one an output. */
#include "output.h"

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
    if (out->shape[out->rank - 1] != weights->shape[0] ||
        weights->elements / (uint32_t)weights->shape[0] > ES_DOT_MAX ||
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
    return es_requantiser_from(in->scale, weights->scale, out->scale, 0, &n->scaling)
               ? ES_OK
               : ES_ERR_MODEL_QUANTISATION;
}

/* The dot products of x with one or two filters; x is read once. */
static __attribute__((noinline, hot)) void multiply(const int8_t *x, int32_t zero_point, const int8_t *w1,
                                                    const int8_t *w2, int32_t depth, int32_t sums[2])
{
    int32_t sum1 = 0;
    int32_t sum2 = 0;
    int32_t i = 0;

#if ES_DSP
    const uint32_t offset = es_pack16(-zero_point, -zero_point);

    for (; i + 4 <= depth; i += 4) {
        const uint32_t values = es_load_word(x + i);
        const uint32_t weights1 = es_load_word(w1 + i);
        const uint32_t weights2 = es_load_word(w2 + i);
        const uint32_t even = es_sxtab16(offset, values);
        const uint32_t odd = es_sxtab16_high(offset, values);

        sum1 = es_smlad(odd, es_sxtb16_high(weights1), es_smlad(even, es_sxtb16(weights1), sum1));
        sum2 = es_smlad(odd, es_sxtb16_high(weights2), es_smlad(even, es_sxtb16(weights2), sum2));
    }
#endif
    for (; i < depth; i++) {
        sum1 += (x[i] - zero_point) * w1[i];
        sum2 += (x[i] - zero_point) * w2[i];
    }
    sums[0] = sum1;
    sums[1] = sum2;
}

void es_fully_connected_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    const int32_t depth = weights->shape[1];
    const int32_t units = weights->shape[0];
    const es_channels channels = es_channels_of(m, n, depth);
    const int8_t *x = es_model_values(m, n->inputs[0]);
    int8_t *const y = es_model_values(m, n->output);
    int32_t done;
    int32_t unit;

    (void)rows;
    for (done = 0; done < (int32_t)out->elements; done += units) {
        for (unit = 0; unit < units; unit += 2) {
            const int8_t *w = (const int8_t *)weights->constant + unit * depth;
            const int32_t pair = es_smaller(2, units - unit);
            int32_t sums[2];
            int32_t i;

            multiply(x, in->zero_point, w, w + (pair - 1) * depth, depth, sums);
            for (i = 0; i < pair; i++) {
                sums[i] = es_add_wrap(sums[i], es_channel_bias(&channels, unit + i));
                es_put_channel(&channels, unit + i, &sums[i], 1, y + done + unit + i, 1);
            }
        }
        x += depth;
    }
    es_limit_values(n, y, (int32_t)out->elements);
}
