/* DEPTHWISE_CONV_2D, int8, weights (1, height, width, out channels). */
#include "window.h"

enum { PADDING = 0, STRIDE_W = 1, STRIDE_H = 2, MULTIPLIER = 3, ACTIVATION = 4, DILATION_W = 5, DILATION_H = 6 };

es_status es_depthwise_conv_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    es_window *w = &n->u.window;
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
    /* The option is redundant, and some writers leave it 0: the shapes say it. */
    w->depth_multiplier = out->shape[3] / in->shape[3];
    if (weights->shape[0] != 1 || weights->shape[3] != out->shape[3] || out->shape[3] % in->shape[3] != 0 ||
        (int64_t)w->filter_h * w->filter_w > ES_DOT_MAX) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    if (es_fb_i32(&m->file, n->options, MULTIPLIER, 0) != w->depth_multiplier &&
        es_fb_i32(&m->file, n->options, MULTIPLIER, 0) != 0) {
        return ES_ERR_OPERATOR_OPTIONS;
    }
    status = es_weights_check(m, n, out->shape[3], 3);
    if (status != ES_OK) {
        return status;
    }
    status = es_window_check(m, n, es_fb_i8(&m->file, n->options, PADDING, 0));
    if (status != ES_OK) {
        return status;
    }
    status = es_fuse_activation(m, n, es_fb_i8(&m->file, n->options, ACTIVATION, 0));
    return status != ES_OK ? status : es_node_plan_channels(m, n, (uint32_t)out->shape[3]);
}

uint64_t es_depthwise_conv_macs(const es_model *m, const es_node *n)
{
    return (uint64_t)m->tensors[n->output].elements * (uint64_t)n->u.window.filter_h * (uint64_t)n->u.window.filter_w;
}

/* One output value: the filter's column `channel` over the input's `source`. */
static int32_t accumulate(const es_window *w, const es_tensor *in, const int8_t *image, const int8_t *filter,
                          int32_t channels, int32_t origin_y, int32_t origin_x)
{
    int32_t sum = 0;
    int32_t fy;
    int32_t fx;

    for (fy = 0; fy < w->filter_h; fy++) {
        const int32_t y = origin_y + fy * w->dilation_h;

        if (y < 0 || y >= in->shape[1]) {
            continue;
        }
        for (fx = 0; fx < w->filter_w; fx++) {
            const int32_t x = origin_x + fx * w->dilation_w;

            if (x >= 0 && x < in->shape[2]) {
                sum += (image[(y * in->shape[2] + x) * in->shape[3]] - in->zero_point) *
                       filter[(fy * w->filter_w + fx) * channels];
            }
        }
    }
    return sum;
}

void es_depthwise_conv_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const es_window *w = &n->u.window;
    const int32_t *multipliers = es_node_multipliers(m, n);
    const int8_t *shifts = es_node_shifts(m, n);
    const int8_t *filter = (const int8_t *)m->tensors[n->inputs[1]].constant;
    int32_t batch;
    int32_t row;
    int32_t column;
    int32_t channel;

    for (batch = 0; batch < out->shape[0]; batch++) {
        const int8_t *image =
            es_model_values(m, n->inputs[0]) + batch * in->shape[1] * in->shape[2] * in->shape[3];
        int8_t *y = es_model_values(m, n->output) +
                    (batch * out->shape[1] + rows.first) * out->shape[2] * out->shape[3];

        for (row = rows.first; row < rows.end; row++) {
            for (column = 0; column < out->shape[2]; column++) {
                for (channel = 0; channel < out->shape[3]; channel++) {
                    const int32_t sum =
                        accumulate(w, in, image + channel / w->depth_multiplier, filter + channel, out->shape[3],
                                   row * w->stride_h - w->pad_top, column * w->stride_w - w->pad_left);

                    *y++ = es_output_value(n, es_add_wrap(sum, es_bias_at(m, n, channel)), multipliers[channel],
                                           shifts[channel], out->zero_point);
                }
            }
        }
    }
}
