/* DEPTHWISE_CONV_2D, int8, weights (1, height, width, out channels). */
#include "convolve.h"
#include "depthwise.h"

enum { TURNED_MOST = 1024 }; /* bytes of filters that are put in another order for a run */
enum { FOR_WORDS = 4 };      /* bytes before them, which es_panel_multiply may read */

/* Over one input channel the sums are those of CONV_2D, but for the filters' order. */
static uint32_t turned_filters(const es_model *m, const es_node *n)
{
    const es_tensor *weights = &m->tensors[n->inputs[1]];

    return m->tensors[n->inputs[0]].shape[3] == 1 && weights->elements <= TURNED_MOST ? (weights->elements + 3) / 4 * 4
                                                                                      : 0;
}

es_status es_depthwise_conv_check(es_model *m, es_node *n)
{
    enum { MULTIPLIER = 3 };
    static const es_filter_fields fields = {4, 5, 6, 3};
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    const int32_t multiplier = es_fb_i32(&m->file, n->options, MULTIPLIER, 0);
    es_window *w = &n->u.window;
    const es_status status = es_filters_check(m, n, fields);

    if (status != ES_OK) {
        return status;
    }
    /* The option is redundant, and some writers leave it 0: the shapes say it. */
    w->depth_multiplier = out->shape[3] / in->shape[3];
    if (weights->shape[0] != 1 || out->shape[3] % in->shape[3] != 0 ||
        (int64_t)w->filter_h * w->filter_w > ES_DOT_MAX) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    if (multiplier != w->depth_multiplier && multiplier != 0) {
        return ES_ERR_OPERATOR_OPTIONS;
    }
    n->scratch_size = turned_filters(m, n);
    if (n->scratch_size != 0) {
        n->scratch_size += FOR_WORDS + es_convolve_scratch(m, n, 1);
    } else {
        (void)es_depthwise_lines_check(m, n);
    }
    return ES_OK;
}

/* Output channels whose sums are made together, one tap after the other. */
enum { CHUNK = 32 };

/* Adds a tap's products: of as many values, or of one alone. */
static void add_tap(const int8_t *x, int32_t zero_point, const int8_t *w, bool alone, int32_t count, int32_t *sums)
{
    const int32_t value = *x - zero_point;
    int32_t i;

    for (i = 0; i < count; i++) {
        sums[i] += (alone ? value : x[i] - zero_point) * w[i];
    }
}

/* The sums of `count` output channels from `channel` on at the place whose window
 * begins at (top, left), biases included. */
static void sum_up(const es_model *m, const es_node *n, const es_channels *channels, const int8_t *image, int32_t top,
                   int32_t left, int32_t channel, int32_t count, int32_t *sums)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_window *w = &n->u.window;
    const int32_t all = m->tensors[n->output].shape[3];
    const int8_t *weights = (const int8_t *)m->tensors[n->inputs[1]].constant + channel;
    int32_t fy;
    int32_t fx;
    int32_t i;

    image += channel / w->depth_multiplier;
    for (i = 0; i < count; i++) {
        sums[i] = 0;
    }
    for (fy = 0; fy < w->filter_h; fy++) {
        const int32_t y = top + fy * w->dilation_h;

        for (fx = 0; fx < w->filter_w; fx++) {
            const int32_t x = left + fx * w->dilation_w;

            if (y >= 0 && y < in->shape[1] && x >= 0 && x < in->shape[2]) {
                add_tap(image + (y * in->shape[2] + x) * in->shape[3], in->zero_point, weights,
                        w->depth_multiplier != 1, count, sums);
            }
            weights += all;
        }
    }
    for (i = 0; i < count; i++) {
        sums[i] = es_add_wrap(sums[i], es_channel_bias(channels, channel + i));
    }
}

#if ES_DSP
ES_SMALL /* for what depthwise_lines.c leaves over */
#endif
void es_depthwise_plainly(const es_model *m, const es_node *n, const es_channels *channels, const int8_t *image,
                          const es_area *area, int8_t *y)
{
    const es_tensor *out = &m->tensors[n->output];
    const es_window *w = &n->u.window;
    int32_t row;
    int32_t column;
    int32_t channel;
    int32_t count;

    for (row = area->rows.first; row < area->rows.end; row++) {
        for (column = area->columns.first; column < area->columns.end; column++) {
            int8_t *const place = y + (row * out->shape[2] + column) * out->shape[3];

            for (channel = area->channels.first; channel < area->channels.end; channel += count) {
                /* Those of one value, or of several that have one each. */
                const int32_t together = w->depth_multiplier == 1
                                             ? area->channels.end - channel
                                             : w->depth_multiplier - channel % w->depth_multiplier;
                int32_t sums[CHUNK];
                int32_t i;

                count = es_smaller(together, CHUNK);
                sum_up(m, n, channels, image, row * w->stride_h - w->pad_top, column * w->stride_w - w->pad_left,
                       channel, count, sums);
                for (i = 0; i < count; i++) {
                    es_put_channel(channels, channel + i, &sums[i], 1, place + channel + i, 1);
                }
            }
        }
    }
}

#if ES_DSP
ES_SMALL
#endif
static void run_plainly(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const es_channels channels = es_channels_of(m, n, n->u.window.filter_h * n->u.window.filter_w);
    const int32_t row_size = out->shape[2] * out->shape[3];
    const es_area area = {rows, {0, out->shape[2]}, {0, out->shape[3]}};
    const int8_t *image = es_model_values(m, n->inputs[0]);
    int8_t *y = es_model_values(m, n->output);
    int32_t batch;

    for (batch = 0; batch < out->shape[0]; batch++) {
        es_depthwise_plainly(m, n, &channels, image, &area, y);
        es_limit_values(n, y + rows.first * row_size, (rows.end - rows.first) * row_size);
        image += in->elements / (uint32_t)in->shape[0];
        y += out->elements / (uint32_t)out->shape[0];
    }
}

static void run_turned(const es_model *m, const es_node *n, es_rows rows, uint32_t filters_size)
{
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const int32_t filters = weights->shape[3];
    const int32_t taps = weights->shape[1] * weights->shape[2];
    const int8_t *from = (const int8_t *)weights->constant;
    int8_t *turned = (int8_t *)es_node_scratch(m, n) + FOR_WORDS;
    int32_t tap;
    int32_t i;

    for (tap = 0; tap < taps; tap++) {
        for (i = 0; i < filters; i++) {
            turned[i * taps + tap] = *from++;
        }
    }
    es_convolve(m, n, rows, turned, 1, turned + filters_size);
}

void es_depthwise_conv_run(const es_model *m, const es_node *n, es_rows rows)
{
    const uint32_t filters_size = turned_filters(m, n);

    if (filters_size != 0) {
        run_turned(m, n, rows, filters_size);
#if ES_DSP
    } else if (n->scratch_size != 0) {
        es_depthwise_lines_run(m, n, rows);
#endif
    } else {
        run_plainly(m, n, rows);
    }
}
