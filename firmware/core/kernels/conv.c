/* CONV_2D, int8, weights (out channels, height, width, in channels / groups). */
#include "window.h"

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
    return status != ES_OK ? status : es_node_plan_channels(m, n, (uint32_t)out->shape[3]);
}

uint64_t es_conv_macs(const es_model *m, const es_node *n)
{
    const es_tensor *weights = &m->tensors[n->inputs[1]];

    return (uint64_t)m->tensors[n->output].elements * (weights->elements / (uint32_t)weights->shape[0]);
}

static int32_t dot(const int8_t *x, const int8_t *w, int32_t count, int32_t offset)
{
    int32_t sum = 0;
    int32_t i;

    for (i = 0; i < count; i++) {
        sum += (x[i] + offset) * w[i];
    }
    return sum;
}

/* The part of a filter that meets the input: rows and columns [first, end). */
typedef struct {
    int32_t y, x; /* input position of the filter's first element */
    int32_t first_y, end_y;
    int32_t first_x, end_x;
} overlap;

/* First filter element at or after the input's start, and one past the last
 * before its end. */
static void clip(int32_t origin, int32_t size, int32_t filter, int32_t dilation, int32_t *first, int32_t *end)
{
    *first = origin >= 0 ? 0 : (-origin + dilation - 1) / dilation;
    *end = es_smaller(filter, (size - origin + dilation - 1) / dilation);
}

static int32_t accumulate(const es_window *w, const overlap *o, const es_tensor *in, const int8_t *image,
                          const int8_t *filter, int32_t depth, int32_t offset)
{
    const int32_t row = in->shape[2] * in->shape[3];
    int32_t sum = 0;
    int32_t fy;
    int32_t fx;

    for (fy = o->first_y; fy < o->end_y; fy++) {
        const int8_t *x = image + (o->y + fy * w->dilation_h) * row;
        const int8_t *f = filter + fy * w->filter_w * depth;

        if (w->dilation_w == 1 && depth == in->shape[3] && o->first_x < o->end_x) {
            /* Neighbours in the filter are neighbours in the input. */
            sum += dot(x + (o->x + o->first_x) * depth, f + o->first_x * depth, (o->end_x - o->first_x) * depth,
                       offset);
            continue;
        }
        for (fx = o->first_x; fx < o->end_x; fx++) {
            sum += dot(x + (o->x + fx * w->dilation_w) * in->shape[3], f + fx * depth, depth, offset);
        }
    }
    return sum;
}

void es_conv_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    const es_window *w = &n->u.window;
    const int32_t *multipliers = es_node_multipliers(m, n);
    const int8_t *shifts = es_node_shifts(m, n);
    const int8_t *filters = (const int8_t *)weights->constant;
    const int32_t depth = weights->shape[3];
    const int32_t filter_size = w->filter_h * w->filter_w * depth;
    const int32_t filters_a_group = out->shape[3] / (in->shape[3] / depth);
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
            overlap o;

            o.y = row * w->stride_h - w->pad_top;
            clip(o.y, in->shape[1], w->filter_h, w->dilation_h, &o.first_y, &o.end_y);
            for (column = 0; column < out->shape[2]; column++) {
                o.x = column * w->stride_w - w->pad_left;
                clip(o.x, in->shape[2], w->filter_w, w->dilation_w, &o.first_x, &o.end_x);
                for (channel = 0; channel < out->shape[3]; channel++) {
                    const int32_t sum = accumulate(w, &o, in, image + channel / filters_a_group * depth,
                                                   filters + channel * filter_size, depth, -in->zero_point);

                    *y++ = es_output_value(n, es_add_wrap(sum, es_bias_at(m, n, channel)), multipliers[channel],
                                           shifts[channel], out->zero_point);
                }
            }
        }
    }
}
