#include "convolve.h"

#include "output.h"
#include "panel.h"
#include "patch.h"

/* What stays the same from one panel to the next. */
typedef struct {
    const es_node *n;
    const int8_t *filters;
    int32_t taps; /* of a filter */
    void *panel;  /* its memory */
    const int8_t *image;
    es_patches patches;
    es_channels channels;
    int32_t filters_a_group;
    int32_t groups;
    int32_t width; /* of the output */
    int32_t depth; /* of the output */
} convolution;

static int32_t patch_taps(const es_node *n, int32_t depth)
{
    return n->u.window.filter_h * n->u.window.filter_w * depth;
}

static uint32_t panel_size(const es_model *m, const es_node *n, int32_t depth)
{
    const es_tensor *out = &m->tensors[n->output];
    const int32_t taps = patch_taps(n, depth);

    return es_panel_size(taps, es_smaller(es_panel_positions(taps), out->shape[1] * out->shape[2]));
}

uint32_t es_convolve_scratch(const es_model *m, const es_node *n, int32_t depth)
{
    return panel_size(m, n, depth) + es_patches_size(&m->tensors[n->inputs[0]], &n->u.window, depth,
                                                     m->tensors[n->output].shape[2]);
}

/* Output places [first, first + count) of one image, counted row by row, from one
 * group of input channels. All of the input is read before anything is written. */
static void convolve_group(convolution *c, int32_t group, int8_t *y, int32_t first, int32_t count)
{
    const int32_t channel = group * c->filters_a_group;
    const int8_t *filters = c->filters + channel * c->taps;
    const es_panel panel = {c->panel, c->taps, count, c->patches.zero_point};

    if (c->groups > 1) {
        es_patches_from(&c->patches, c->image + group * c->patches.depth);
    }
    es_patches_put(&c->patches, first / c->width, first % c->width, &panel);
    es_panel_multiply(&panel, filters, &c->channels, channel, channel + c->filters_a_group, y + channel, c->depth);
}

static __attribute__((noinline, hot)) void convolve_places(convolution *c, int8_t *y, int32_t first, int32_t count)
{
    int32_t group;

    y += first * c->depth;
    for (group = 0; group < c->groups; group++) {
        convolve_group(c, group, y, first, count);
    }
    es_limit_values(c->n, y, count * c->depth);
}

/* Places of the output rows [first, end). One panel may hold the end of a row and
 * the start of the next: it is filled before either is written. With several groups
 * it is filled again, and so kept to one row. */
static void convolve_rows(convolution *c, int8_t *y, es_rows rows)
{
    const int32_t most = es_panel_positions(c->taps);
    int32_t first = rows.first * c->width;
    int32_t end = rows.end * c->width;

    while (first < end) {
        int32_t count = es_smaller(most, end - first);

        if (c->n->backward) {
            if (c->groups > 1) {
                count = es_smaller(count, (end - 1) % c->width + 1);
            }
            end -= count;
            convolve_places(c, y, end, count);
        } else {
            if (c->groups > 1) {
                count = es_smaller(count, c->width - first % c->width);
            }
            convolve_places(c, y, first, count);
            first += count;
        }
    }
}

void es_convolve(const es_model *m, const es_node *n, es_rows rows, const int8_t *filters, int32_t depth,
                 void *scratch)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    int8_t *y = es_model_values(m, n->output);
    convolution c;
    int32_t batch;

    c.n = n;
    c.filters = filters;
    c.taps = patch_taps(n, depth);
    c.panel = scratch;
    c.width = out->shape[2];
    c.depth = out->shape[3];
    es_patches_init(&c.patches, in, &n->u.window, depth, c.width, (int8_t *)scratch + panel_size(m, n, depth));
    c.channels = es_channels_of(m, n, c.taps);
    c.groups = in->shape[3] / depth;
    c.filters_a_group = c.depth / c.groups;
    for (batch = 0; batch < out->shape[0]; batch++) {
        c.image = es_model_values(m, n->inputs[0]) + batch * in->shape[1] * in->shape[2] * in->shape[3];
        es_patches_from(&c.patches, c.image);
        convolve_rows(&c, y, rows);
        y += out->elements / (uint32_t)out->shape[0];
    }
}
