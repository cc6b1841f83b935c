/* CONV_2D, int8, weights (out channels, height, width, in channels / groups). */
#include "convolve.h"

enum { PADDING = 0, STRIDE_W = 1, STRIDE_H = 2, ACTIVATION = 3, DILATION_W = 4, DILATION_H = 5 };

es_status es_conv_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    es_window *w = &n->u.window;
    int32_t groups;
    es_status status;

    if (!es_is_image(in) || weights->rank != 4 || out->rank != 4) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    w->stride_w = es_fb_i32(&m->file, n->options, STRIDE_W, 0);
    w->stride_h = es_fb_i32(&m->file, n->options, STRIDE_H, 0);
    w->dilation_w = es_fb_i32(&m->file, n->options, DILATION_W, 1);
    w->dilation_h = es_fb_i32(&m->file, n->options, DILATION_H, 1);
    w->filter_h = weights->shape[1];
    w->filter_w = weights->shape[2];
    groups = in->shape[3] / weights->shape[3];
    if (in->shape[3] % weights->shape[3] != 0 || out->shape[3] != weights->shape[0] ||
        out->shape[3] % groups != 0 || weights->elements / (uint32_t)weights->shape[0] > ES_DOT_MAX) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    status = es_weights_check(m, n, out->shape[3], 0);
    if (status != ES_OK) {
        return status;
    }
    status = es_window_check(m, n, es_fb_i8(&m->file, n->options, PADDING, 0));
    if (status != ES_OK) {
        return status;
    }
    status = es_fuse_activation(m, n, es_fb_i8(&m->file, n->options, ACTIVATION, 0));
    n->scratch_size = es_convolve_scratch(m, n, weights->shape[3]);
    n->reversible = true;
    return status != ES_OK ? status : es_node_plan_channels(m, n, (uint32_t)out->shape[3]);
}

uint64_t es_conv_macs(const es_model *m, const es_node *n)
{
    const es_tensor *weights = &m->tensors[n->inputs[1]];

    return (uint64_t)m->tensors[n->output].elements * (weights->elements / (uint32_t)weights->shape[0]);
}

void es_conv_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *weights = &m->tensors[n->inputs[1]];

    es_convolve(m, n, rows, (const int8_t *)weights->constant, weights->shape[3], es_node_scratch(m, n));
}
