#include "patch.h"

uint32_t es_patch_size(const es_window *w, int32_t depth)
{
    const bool point = w->filter_h == 1 && w->filter_w == 1; /* never beyond an edge */

    return point ? 0 : (uint32_t)(w->filter_h * w->filter_w * depth);
}

static int8_t *fill(int8_t *to, int32_t value, int32_t count)
{
    const uint32_t word = 0x01010101u * (uint8_t)value;

    for (; count >= 4; count -= 4) {
        es_store_word(to, word);
        to += 4;
    }
    for (; count > 0; count--) {
        *to++ = (int8_t)value;
    }
    return to;
}

/* memcpy without a call: most pieces are a few bytes. */
static int8_t *copy(int8_t *to, const int8_t *from, int32_t count)
{
    for (; count >= 4; count -= 4) {
        es_store_word(to, es_load_word(from));
        to += 4;
        from += 4;
    }
    for (; count > 0; count--) {
        *to++ = *from++;
    }
    return to;
}

/* Puts a patch together of which `row_values` neighbours make a row. */
static void gather(const es_patches *p, int32_t y, int32_t x, int32_t row_values)
{
    const es_window *w = p->window;
    const bool together = w->dilation_w == 1 && p->depth == p->channels;
    const int32_t row_size = p->width * p->channels;
    const int32_t before = es_larger(0, es_smaller(-x, w->filter_w)) * p->depth;
    const int32_t inside = es_larger(0, es_smaller(w->filter_w, p->width - x) * p->depth - before);
    const int8_t *row = p->image + y * row_size + x * p->channels;
    int8_t *to = p->buffer;
    int32_t fy;
    int32_t fx;

    for (fy = 0; fy < w->filter_h; fy++) {
        if (y < 0 || y >= p->height) {
            to = fill(to, p->zero_point, row_values);
        } else if (together && inside == row_values) {
            to = copy(to, row, row_values);
        } else if (together) {
            to = fill(to, p->zero_point, before);
            to = copy(to, row + before, inside);
            to = fill(to, p->zero_point, row_values - before - inside);
        } else {
            for (fx = 0; fx < w->filter_w; fx++) {
                const int32_t at = x + fx * w->dilation_w;

                to = at >= 0 && at < p->width ? copy(to, row + fx * w->dilation_w * p->channels, p->depth)
                                              : fill(to, p->zero_point, p->depth);
            }
        }
        y += w->dilation_h;
        row += w->dilation_h * row_size;
    }
}

void es_patch_put(const es_patches *p, int32_t row, int32_t column, const es_panel *panel, int32_t position)
{
    const es_window *w = p->window;
    const int32_t x = column * w->stride_w - w->pad_left;
    const int32_t y = row * w->stride_h - w->pad_top;
    const int32_t row_size = p->width * p->channels;
    const int32_t row_values = w->filter_w * p->depth;
    /* Whether all of the patch is inside, and its rows are neighbours there. */
    const bool rows = x >= 0 && x + w->filter_w <= p->width && y >= 0 &&
                      y + (w->filter_h - 1) * w->dilation_h < p->height &&
                      (w->filter_w == 1 || (p->depth == p->channels && w->dilation_w == 1));
    es_patch patch = {p->buffer, 1, panel->taps, 0};

    if (rows && (w->filter_h == 1 || (row_values == row_size && w->dilation_h == 1))) {
        patch.first = p->image + y * row_size + x * p->channels;
    } else if (rows && row_values % 4 == 0) {
        patch.first = p->image + y * row_size + x * p->channels;
        patch.rows = w->filter_h;
        patch.values = row_values;
        patch.step = w->dilation_h * row_size;
    } else {
        gather(p, y, x, row_values);
    }
    es_panel_fill(panel, position, &patch, -p->zero_point);
}
