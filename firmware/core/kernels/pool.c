/* AVERAGE_POOL_2D and MAX_POOL_2D, int8; input and output share one quantisation. */
#include "window.h"

enum { PADDING = 0, STRIDE_W = 1, STRIDE_H = 2, FILTER_W = 3, FILTER_H = 4, ACTIVATION = 5 };

es_status es_pool_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    es_window *w = &n->u.window;
    es_status status;

    if (!es_is_image(in)) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    w->stride_w = es_fb_i32(&m->file, n->options, STRIDE_W, 0);
    w->stride_h = es_fb_i32(&m->file, n->options, STRIDE_H, 0);
    w->filter_w = es_fb_i32(&m->file, n->options, FILTER_W, 0);
    w->filter_h = es_fb_i32(&m->file, n->options, FILTER_H, 0);
    w->dilation_w = w->dilation_h = 1;
    status = es_window_check(m, n, es_fb_i8(&m->file, n->options, PADDING, 0));
    if (status != ES_OK) {
        return status;
    }
    if (out->shape[3] != in->shape[3]) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    return es_fuse_activation(m, n, es_fb_i8(&m->file, n->options, ACTIVATION, 0));
}

/* The mean, rounded half away from zero. */
static int32_t mean(int32_t sum, int32_t count)
{
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

/* Over one channel of `down` lines of `across` places, `step` apart. */
static __attribute__((noinline, hot)) int32_t sum_of(const int8_t *line, int32_t down, int32_t across,
                                                     int32_t line_size, int32_t step)
{
    int32_t sum = 0;

    for (; down > 0; down--) {
        const int8_t *x = line;
        int32_t left;

        for (left = across; left > 0; left--) {
            sum += *x;
            x += step;
        }
        line += line_size;
    }
    return sum;
}

static ES_SMALL int32_t largest_of(const int8_t *line, int32_t down, int32_t across, int32_t line_size, int32_t step)
{
    int32_t largest = -128;

    for (; down > 0; down--) {
        const int8_t *x = line;
        int32_t left;

        for (left = across; left > 0; left--) {
            largest = es_larger(largest, *x);
            x += step;
        }
        line += line_size;
    }
    return largest;
}

/* Applies `n` to every window; the maximum or the mean of the values inside. */
static void pool(const es_model *m, const es_node *n, bool average, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const es_window *w = &n->u.window;
    const es_rows part = es_row_elements(out, rows);
    const int32_t line_size = in->shape[2] * in->shape[3];
    int8_t *y = es_model_values(m, n->output) + part.first;
    const uint32_t end = (uint32_t)(part.end / out->shape[3]);
    uint32_t position;

    for (position = (uint32_t)(part.first / out->shape[3]); position < end; position++) {
        const int32_t column = (int32_t)(position % (uint32_t)out->shape[2]);
        const int32_t row = (int32_t)(position / (uint32_t)out->shape[2] % (uint32_t)out->shape[1]);
        const int32_t batch = (int32_t)(position / (uint32_t)(out->shape[1] * out->shape[2]));
        const int32_t top = row * w->stride_h - w->pad_top;
        const int32_t left = column * w->stride_w - w->pad_left;
        /* Of the window, inside the image. */
        const int32_t down = es_smaller(top + w->filter_h, in->shape[1]) - es_larger(top, 0);
        const int32_t across = es_smaller(left + w->filter_w, in->shape[2]) - es_larger(left, 0);
        const int8_t *image =
            es_model_values(m, n->inputs[0]) +
            ((batch * in->shape[1] + es_larger(top, 0)) * in->shape[2] + es_larger(left, 0)) * in->shape[3];
        int32_t channel;

        for (channel = 0; channel < in->shape[3]; channel++) {
            const int8_t *x = image + channel;
            const int32_t value = average
                                      ? mean(sum_of(x, down, across, line_size, in->shape[3]), down * across)
                                      : largest_of(x, down, across, line_size, in->shape[3]);

            *y++ = es_clamp_i8(value, n->low, n->high);
        }
    }
}

void es_average_pool_run(const es_model *m, const es_node *n, es_rows rows)
{
    pool(m, n, true, rows);
}

void es_max_pool_run(const es_model *m, const es_node *n, es_rows rows)
{
    pool(m, n, false, rows);
}
