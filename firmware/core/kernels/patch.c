#include "patch.h"

#include <string.h>

enum { STRIP_MOST = 1024 }; /* bytes */
enum { SPILL = 8 };         /* bytes after a patch and after the strip that join_rows may touch */

static void measure(es_patches *p, const es_tensor *in, const es_window *w, int32_t depth, int32_t columns)
{
    const int64_t strip_width = ((int64_t)(columns - 1) * w->stride_w + w->filter_w) * in->shape[3];

    p->window = w;
    p->height = in->shape[1];
    p->width = in->shape[2];
    p->channels = in->shape[3];
    p->depth = depth;
    p->zero_point = in->zero_point;
    p->row_size = p->width * p->channels;
    p->row_values = w->filter_w * depth;
    p->columns = columns;
    p->neighbours = w->filter_w == 1 || (depth == p->channels && w->dilation_w == 1);
    p->joined = p->neighbours && (w->filter_h == 1 || (p->row_values == p->row_size && w->dilation_h == 1));
    p->strip_width = depth == p->channels && p->neighbours && !p->joined && strip_width * w->filter_h <= STRIP_MOST
                         ? (int32_t)strip_width
                         : 0;
}

/* After what join_rows reads and writes. */
static uint32_t spill(const es_patches *p)
{
    return p->row_values % 4 == 0 ? 0 : SPILL;
}

/* By what panel_dsp.c needs, as es_panel_size is. */
static uint32_t patch_size(const es_patches *p)
{
    const es_window *w = p->window;
    const bool point = w->filter_h == 1 && w->filter_w == 1; /* never beyond an edge */

    return p->row_values % 4 == 0 && (point || p->strip_width > 0)
               ? 0
               : ((uint32_t)(w->filter_h * p->row_values) + 3) / 4 * 4 + spill(p);
}

uint32_t es_patches_size(const es_tensor *in, const es_window *w, int32_t depth, int32_t columns)
{
    es_patches p;

    measure(&p, in, w, depth, columns);
    return patch_size(&p) + (p.strip_width > 0 ? (uint32_t)(p.strip_width * w->filter_h) + spill(&p) : 0);
}

void es_patches_init(es_patches *p, const es_tensor *in, const es_window *w, int32_t depth, int32_t columns,
                     int8_t *memory)
{
    const int32_t taps = w->filter_h * w->filter_w * depth;
    const int32_t lead = es_panel_lead(taps);

    measure(p, in, w, depth, columns);
    p->strip_row = -1;
    p->patch = memory;
    p->strip = memory + patch_size(p);
    p->whole.rows = 1;
    p->whole.values = lead + taps;
    if (patch_size(p) != 0) {
        memset(memory, p->zero_point, (uint32_t)lead);
    }
    p->here.rows = p->row_values % 4 != 0 ? 0 : p->joined ? 1 : w->filter_h;
    p->here.values = p->joined ? taps : p->row_values;
    p->here.step = p->strip_width > 0 ? p->strip_width : w->dilation_h * p->row_size;
}

/* Most pieces are a few bytes: memset and memcpy would be calls. Words first; the
 * last one may overlap the one before. */
static int8_t *fill(int8_t *to, int32_t value, int32_t count)
{
    const uint32_t word = 0x01010101u * (uint8_t)value;
    int8_t *const end = to + count;

    if (count < 4) {
        while (to != end) {
            *to++ = (int8_t)value;
        }
        return end;
    }
    for (; end - to > 4; to += 4) {
        es_store_word(to, word);
    }
    es_store_word(end - 4, word);
    return end;
}

static int8_t *copy(int8_t *to, const int8_t *from, int32_t count)
{
    int8_t *const end = to + count;

    if (count < 4) {
        while (to != end) {
            *to++ = *from++;
        }
        return end;
    }
    for (; end - to > 4; to += 4) {
        es_store_word(to, es_load_word(from));
        from += 4;
    }
    es_store_word(end - 4, es_load_word(from + (end - to) - 4));
    return end;
}

/* One row of an image from column x on, and what is beyond its edges. */
static int8_t *copy_row(const es_patches *p, int8_t *to, int32_t y, int32_t x, int32_t columns)
{
    const int32_t before = es_larger(0, es_smaller(-x, columns));
    const int32_t inside = es_larger(0, es_smaller(columns, p->width - x) - before);

    if (y < 0 || y >= p->height) {
        return fill(to, p->zero_point, columns * p->channels);
    }
    to = fill(to, p->zero_point, before * p->channels);
    to = copy(to, p->image + y * p->row_size + (x + before) * p->channels, inside * p->channels);
    return fill(to, p->zero_point, (columns - before - inside) * p->channels);
}

static ES_SMALL void fill_strip(es_patches *p, int32_t row)
{
    const es_window *w = p->window;
    int8_t *to = p->strip;
    int32_t fy;

    for (fy = 0; fy < w->filter_h; fy++) {
        to = copy_row(p, to, row * w->stride_h - w->pad_top + fy * w->dilation_h, -w->pad_left,
                      p->strip_width / p->channels);
    }
    p->strip_row = row;
}

/* The rows of a patch, one after the other. Short ones of the strip are taken eight
 * bytes at a time: each row overwrites what is too much of the one before. */
static void join_rows(const es_patches *p, const int8_t *row)
{
    const int32_t values = p->row_values;
    const int32_t step = p->here.step;
    int8_t *to = p->patch + es_panel_lead(p->window->filter_h * values);
    int32_t rows = p->window->filter_h;

    if (p->strip_width == 0 || values > SPILL) {
        for (; rows > 0; rows--) {
            to = copy(to, row, values);
            row += step;
        }
    }
    for (; rows > 0; rows--) {
        const uint32_t first = es_load_word(row);
        const uint32_t second = es_load_word(row + 4);

        es_store_word(to, first);
        es_store_word(to + 4, second);
        to += values;
        row += step;
    }
}

/* Any patch, whose first value is at row y and column x. */
static ES_SMALL void gather(const es_patches *p, int32_t y, int32_t x)
{
    const es_window *w = p->window;
    int8_t *to = p->patch + es_panel_lead(w->filter_h * p->row_values);
    int32_t fy;
    int32_t fx;

    for (fy = 0; fy < w->filter_h; fy++) {
        if (p->depth == p->channels && w->dilation_w == 1) {
            to = copy_row(p, to, y, x, w->filter_w);
        } else {
            for (fx = 0; fx < w->filter_w; fx++) {
                const int32_t at = x + fx * w->dilation_w;

                to = y >= 0 && y < p->height && at >= 0 && at < p->width
                         ? copy(to, p->image + y * p->row_size + at * p->channels, p->depth)
                         : fill(to, p->zero_point, p->depth);
            }
        }
        y += w->dilation_h;
    }
}

/* Whether a patch is made of rows of the image. */
static bool is_inside(const es_patches *p, int32_t y, int32_t x)
{
    const es_window *w = p->window;

    return p->neighbours && x >= 0 && x + w->filter_w <= p->width && y >= 0 &&
           y + (w->filter_h - 1) * w->dilation_h < p->height;
}

void es_patches_put(es_patches *p, int32_t row, int32_t column, const es_panel *panel)
{
    const es_window *w = p->window;
    int32_t i;

    for (i = 0; i < panel->positions; i++) {
        const int8_t *from = p->patch;
        const es_patch_shape *shape = &p->whole;
        bool inside = true;

        if (p->strip_width > 0) {
            if (p->strip_row != row) {
                fill_strip(p, row);
            }
            from = p->strip + column * w->stride_w * p->channels;
        } else {
            const int32_t x = column * w->stride_w - w->pad_left;
            const int32_t y = row * w->stride_h - w->pad_top;

            inside = is_inside(p, y, x);
            if (inside) {
                from = p->image + y * p->row_size + x * p->channels;
            } else {
                gather(p, y, x);
            }
        }
        if (inside && p->here.rows != 0) {
            shape = &p->here;
        } else if (inside) {
            join_rows(p, from);
            from = p->patch;
        }
        es_panel_fill(panel, i, from, shape);
        if (++column == p->columns) {
            column = 0;
            row++;
        }
    }
}
