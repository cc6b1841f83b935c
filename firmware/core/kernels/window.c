#include "window.h"

enum { DIMENSION_MAX = 1 << 15 };

es_status es_fuse_activation(const es_model *m, es_node *n, int8_t activation)
{
    const es_tensor *out = &m->tensors[n->output];

    switch (activation) {
    case ES_ACTIVATION_NONE:
        return ES_OK;
    case ES_ACTIVATION_RELU:
        n->low = es_larger(-128, out->zero_point);
        return ES_OK;
    case ES_ACTIVATION_RELU_N1_TO_1:
        n->low = es_larger(-128, out->zero_point + es_quantise_float(-1.0f, out->scale));
        n->high = es_smaller(127, out->zero_point + es_quantise_float(1.0f, out->scale));
        return ES_OK;
    case ES_ACTIVATION_RELU6:
        n->low = es_larger(-128, out->zero_point);
        n->high = es_smaller(127, out->zero_point + es_quantise_float(6.0f, out->scale));
        return ES_OK;
    default:
        return ES_ERR_OPERATOR_OPTIONS;
    }
}

/* One axis: the output's size, and the padding before the first element. */
static bool axis(int32_t in, int32_t filter, int32_t stride, int32_t dilation, int8_t padding, int32_t *out,
                 int32_t *before)
{
    const int32_t extent = (filter - 1) * dilation + 1;
    const int32_t reach = padding == ES_PADDING_SAME ? in : in - extent + 1;
    int32_t missing;

    if (reach < 1) {
        return false;
    }
    *out = (reach + stride - 1) / stride;
    missing = (*out - 1) * stride + extent - in;
    *before = missing > 0 ? missing / 2 : 0;
    return true;
}

static bool in_range(int32_t value)
{
    return value >= 1 && value <= DIMENSION_MAX;
}

es_status es_window_check(const es_model *m, es_node *n, int8_t padding)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    es_window *w = &n->u.window;
    int32_t height;
    int32_t width;

    if ((padding != ES_PADDING_SAME && padding != ES_PADDING_VALID) || !in_range(w->stride_h) ||
        !in_range(w->stride_w) || !in_range(w->dilation_h) || !in_range(w->dilation_w)) {
        return ES_ERR_OPERATOR_OPTIONS;
    }
    if (!in_range(w->filter_h) || !in_range(w->filter_w) || !in_range(in->shape[1]) || !in_range(in->shape[2]) ||
        !axis(in->shape[1], w->filter_h, w->stride_h, w->dilation_h, padding, &height, &w->pad_top) ||
        !axis(in->shape[2], w->filter_w, w->stride_w, w->dilation_w, padding, &width, &w->pad_left) ||
        out->rank != 4 || out->shape[0] != in->shape[0] || out->shape[1] != height || out->shape[2] != width) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    return ES_OK;
}

bool es_is_image(const es_tensor *t)
{
    return t->type == ES_TYPE_INT8 && t->rank == 4 && t->scales.count == 1;
}

es_status es_weights_check(const es_model *m, const es_node *n, int32_t channels, int32_t channel_dimension)
{
    const es_tensor *weights = &m->tensors[n->inputs[1]];

    if (weights->type != ES_TYPE_INT8 || weights->constant == NULL) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    if (weights->zero_point != 0 ||
        (weights->scales.count > 1 && weights->quantised_dimension != channel_dimension)) {
        return ES_ERR_MODEL_QUANTISATION;
    }
    if (n->inputs[2] >= 0) {
        const es_tensor *bias = &m->tensors[n->inputs[2]];

        if (bias->type != ES_TYPE_INT32 || bias->constant == NULL) {
            return ES_ERR_OPERATOR_INPUTS;
        }
        if (bias->elements != (uint32_t)channels) {
            return ES_ERR_OPERATOR_SHAPE;
        }
    }
    return ES_OK;
}

es_status es_filters_check(es_model *m, es_node *n, es_filter_fields fields)
{
    enum { PADDING = 0, STRIDE_W = 1, STRIDE_H = 2 };
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    es_window *w = &n->u.window;
    es_status status;

    if (!es_is_image(&m->tensors[n->inputs[0]]) || weights->rank != 4 || out->rank != 4) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    w->stride_w = es_fb_i32(&m->file, n->options, STRIDE_W, 0);
    w->stride_h = es_fb_i32(&m->file, n->options, STRIDE_H, 0);
    w->dilation_w = es_fb_i32(&m->file, n->options, fields.dilation_w, 1);
    w->dilation_h = es_fb_i32(&m->file, n->options, fields.dilation_h, 1);
    w->filter_h = weights->shape[1];
    w->filter_w = weights->shape[2];
    if (weights->shape[fields.channel_dimension] != out->shape[3]) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    status = es_weights_check(m, n, out->shape[3], fields.channel_dimension);
    if (status == ES_OK) {
        status = es_window_check(m, n, es_fb_i8(&m->file, n->options, PADDING, 0));
    }
    if (status == ES_OK) {
        status = es_fuse_activation(m, n, es_fb_i8(&m->file, n->options, fields.activation, 0));
    }
    return status != ES_OK ? status : es_node_plan_channels(m, n, (uint32_t)out->shape[3]);
}
