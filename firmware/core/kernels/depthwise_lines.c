#include "depthwise.h"

#include <stddef.h>

/* Lines are along the image's width, or along its height where that is all it has. */
enum { GROUP = 4, MOST_PLACES = 40, MOST_ROWS = 4, MOST_BYTES = 2048 };

typedef struct {
    int32_t filter_lines;
    int32_t filter_taps; /* in a line */
    int32_t stride;      /* along a line */
    int32_t pad;         /* before a line */
    int32_t length;      /* of an input line */
    int32_t width;       /* of an output line */
    int32_t channels;    /* values from one place of a line to the next, in input and output */
    int32_t line_stride; /* from one output line to the next, in input lines */
    int32_t line_dilation;
    int32_t line_pad;
    int32_t line_count; /* input lines */
    int32_t places;     /* of an output line ... */
    int32_t rows;       /* ... and lines that are computed together */
} geometry;

/* What four channels need of the filters: sums at the start, two words a tap, a
 * multiplier, addend and shift for each. */
enum { SUMS = GROUP, SCALERS = 3 * GROUP };

/* Input lines that `rows` output lines see. */
static int32_t lines_seen(const geometry *g, int32_t rows)
{
    return (rows - 1) * g->line_stride + (g->filter_lines - 1) * g->line_dilation + 1;
}

/* Values of an input line that `places` see. */
static int32_t values_seen(const geometry *g, int32_t places)
{
    return (places - 1) * g->stride + g->filter_taps;
}

static int32_t numbers_size(const geometry *g)
{
    return SUMS + 2 * g->filter_lines * g->filter_taps + SCALERS;
}

static int32_t scratch_bytes(const geometry *g)
{
    return 4 * numbers_size(g) + 2 * GROUP * lines_seen(g, g->rows) * values_seen(g, g->places);
}

static bool is_upright(const es_model *m, const es_node *n)
{
    return m->tensors[n->inputs[0]].shape[2] == 1 && n->u.window.filter_w == 1;
}

/* The largest part of the output whose lines fit in MOST_BYTES; no more than a
 * place where nothing does. */
static ES_SMALL geometry geometry_of(const es_model *m, const es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const es_window *w = &n->u.window;
    geometry g;

    g.channels = in->shape[3];
    if (is_upright(m, n)) {
        g.filter_lines = 1;
        g.filter_taps = w->filter_h;
        g.stride = w->stride_h;
        g.pad = w->pad_top;
        g.length = in->shape[1];
        g.width = out->shape[1];
        g.line_stride = g.line_dilation = g.line_count = 1;
        g.line_pad = 0;
        g.rows = 1;
    } else {
        g.filter_lines = w->filter_h;
        g.filter_taps = w->filter_w;
        g.stride = w->stride_w;
        g.pad = w->pad_left;
        g.length = in->shape[2];
        g.width = out->shape[2];
        g.line_stride = w->stride_h;
        g.line_dilation = w->dilation_h;
        g.line_pad = w->pad_top;
        g.line_count = in->shape[1];
        g.rows = es_smaller(MOST_ROWS, out->shape[1]);
    }
    g.places = es_smaller(g.width, MOST_PLACES);
    while (g.rows > 1 && scratch_bytes(&g) > MOST_BYTES) {
        g.rows--;
    }
    while (g.places > 1 && scratch_bytes(&g) > MOST_BYTES) {
        g.places--;
    }
    return g;
}

bool es_depthwise_lines_check(const es_model *m, es_node *n)
{
    const es_window *w = &n->u.window;
    const bool upright = is_upright(m, n);
    geometry g;

    if (w->depth_multiplier != 1 || m->tensors[n->inputs[0]].shape[3] < GROUP ||
        (upright ? w->dilation_h : w->dilation_w) != 1 ||
        (int64_t)w->filter_h * w->filter_w * w->dilation_h > MOST_BYTES) {
        return false;
    }
    g = geometry_of(m, n);
    if (scratch_bytes(&g) > MOST_BYTES) {
        return false;
    }
    n->scratch_size = (uint32_t)scratch_bytes(&g);
    n->block = (uint16_t)(upright ? g.places : g.rows);
    return true;
}

#if ES_DSP

/* What is computed together: `rows` output lines of `places` places; and what they
 * see of each input line. */
typedef struct {
    int32_t row, rows;
    int32_t place, places;
    int32_t before, inside, after; /* places; those before and after are beyond the edges */
    int32_t start;                 /* of those inside, in values from the line's start */
} part;

/* A line of the output, of four channels. The first seven are what the code by hand
 * reads by their offsets. */
typedef struct {
    const int8_t *x; /* two words a place: bytes 0 and 2 widened, 1 and 3 */
    int8_t *y;
    int32_t x_step, y_step; /* bytes from one place to the next */
    const int8_t *end;      /* of x */
    const int32_t *numbers; /* sums at the start, filters, scalers */
    int32_t gap;            /* bytes of x from the last tap's end to the next line's first tap */
    int32_t lines, taps;    /* of a filter */
} track;

static uint32_t *put_zeros(uint32_t *to, int32_t places)
{
    for (; places > 0; places--) {
        es_store_words(to, 0, 0);
        to += 2;
    }
    return to;
}

/* Four channels of places `step` bytes apart, widened, less the zero point. */
static uint32_t *put_values(uint32_t *to, const int8_t *from, int32_t places, int32_t step, uint32_t offset)
{
    for (; places > 0; places--) {
        const uint32_t word = es_load_word(from);

        es_store_words(to, es_sxtab16(offset, word), es_sxtab16_high(offset, word));
        to += 2;
        from += step;
    }
    return to;
}

/* Twice the bias and twice the filters, so that sums are doubled as es_scale wants
 * them. False where a channel is out of its range. */
static __attribute__((noinline, hot)) bool put_numbers(const geometry *g, const es_channels *channels, int32_t channel,
                                                  const int8_t *filters, int32_t *numbers)
{
    const int32_t taps = g->filter_lines * g->filter_taps;
    uint32_t *weights = (uint32_t *)(void *)(numbers + SUMS);
    es_scaler *scaler = (es_scaler *)(void *)(weights + 2 * taps);
    const int32_t step = g->channels;
    const int32_t *multipliers = channels->multipliers + channel;
    const int8_t *shifts = channels->shifts + channel;
    int32_t i;

    for (i = 0; i < GROUP; i++) {
        if (!channels->quick || !es_scaler_fits(shifts[i])) {
            return false;
        }
        numbers[i] = es_channel_bias(channels, channel + i) * 2;
        *scaler++ = es_scaler_from(multipliers[i], shifts[i], channels->zero_point);
    }
    filters += channel;
    for (i = 0; i < taps; i++) {
        const uint32_t word = es_load_word(filters);

        es_store_words(weights, es_sxtab16(es_sxtb16(word), word), es_sxtab16_high(es_sxtb16_high(word), word));
        weights += 2;
        filters += step;
    }
    return true;
}

static void run_any(const track *t)
{
    const int8_t *at;
    int8_t *y = t->y;

    for (at = t->x; at != t->end; at += t->x_step) {
        const int8_t *x = at;
        const uint32_t *w = (const uint32_t *)(const void *)(t->numbers + SUMS);
        const es_scaler *scaler;
        int32_t sums[GROUP];
        int32_t i;
        int32_t j;

        memcpy(sums, t->numbers, sizeof sums);
        for (i = 0; i < t->lines; i++) {
            for (j = 0; j < t->taps; j++) {
                const uint32_t even = es_load_word(x);
                const uint32_t odd = es_load_word(x + 4);

                sums[0] = es_smlabb(even, w[0], sums[0]);
                sums[1] = es_smlabb(odd, w[1], sums[1]);
                sums[2] = es_smlatt(even, w[0], sums[2]);
                sums[3] = es_smlatt(odd, w[1], sums[3]);
                x += 8;
                w += 2;
            }
            x += t->gap;
        }
        scaler = (const es_scaler *)(const void *)w;
        for (i = 0; i < GROUP; i++) {
            y[i] = (int8_t)es_saturate8(es_scale_doubled(sums[i], scaler[i]));
        }
        y += t->y_step;
    }
}

#if ES_DSP_NATIVE

typedef char track_is_as_read[offsetof(track, gap) == 24 ? 1 : -1];

/* By hand, since a compiler makes two loads of most LDM. r0 is x, r1 the numbers,
 * r2-r5 two places, r6-r9 two taps, the rest sums; the gap and the track are on the
 * stack. */
#define TAP(x0, x1, w0, w1)                                                                                            \
    "smlabb r10, " x0 ", " w0 ", r10\n\tsmlabb r11, " x1 ", " w1 ", r11\n\t"                                         \
    "smlatt r12, " x0 ", " w0 ", r12\n\tsmlatt lr, " x1 ", " w1 ", lr\n\t"
#define THREE_TAPS                                                                                                     \
    "ldmia r0!, {r2-r5}\n\tldmia r1!, {r6-r9}\n\t" TAP("r2", "r3", "r6", "r7") TAP("r4", "r5", "r8", "r9")             \
    "ldmia r0!, {r2, r3}\n\tldmia r1!, {r6, r7}\n\t" TAP("r2", "r3", "r6", "r7")
#define OUTPUT(sum, place)                                                                                             \
    "ldmia r1!, {r3, r5, r6}\n\tsmmlar r3, " sum ", r3, r5\n\tsub r3, r3, " sum ", lsr #31\n\t"                      \
    "asr r3, r3, r6\n\tssat r3, #8, r3\n\tstrb r3, [r4, #" place "]\n\t"

/* Three lines of three taps, or one of nine, which are the same without a gap. */
static __attribute__((noinline)) void run_nine(track *t)
{
    register track *argument __asm("r0") = t;

    __asm volatile("push {r0, r4-r11, lr}\n\t"
                   "ldr r1, [r0, #24]\n\t"
                   "push {r0, r1}\n\t"
                   "ldr r1, [r0, #20]\n\t"
                   "ldr r0, [r0]\n"
                   "1:\tldmia r1!, {r10-r12, lr}\n\t" THREE_TAPS
                   "ldr r2, [sp, #4]\n\tadd r0, r0, r2\n\t" THREE_TAPS
                   "ldr r2, [sp, #4]\n\tadd r0, r0, r2\n\t" THREE_TAPS
                   "ldr r2, [sp]\n\t"
                   "ldmia r2, {r3-r8}\n\t"
                   "add r0, r3, r5\n\tadd r3, r4, r6\n\tstrd r0, r3, [r2]\n\t"
                   OUTPUT("r10", "0") OUTPUT("r11", "1") OUTPUT("r12", "2") OUTPUT("lr", "3")
                   "mov r1, r8\n\t"
                   "cmp r0, r7\n\t"
                   "bne 1b\n\t"
                   "add sp, sp, #8\n\t"
                   "pop {r0, r4-r11, lr}"
                   : "+r"(argument)
                   :
                   : "r1", "r2", "r3", "r12", "cc", "memory");
}

#else

static void run_nine(track *t)
{
    run_any(t);
}

#endif

/* Four channels of a part, of which `image` is the first. */
static __attribute__((noinline, hot)) void run_part(const geometry *g, const part *p, int32_t zero_point,
                                               const int8_t *image, uint32_t *to, track *t)
{
    const uint32_t offset = es_pack16(-zero_point, -zero_point);
    const int32_t values = values_seen(g, p->places);
    const bool thrice = g->filter_lines * g->filter_taps == 9 && (g->filter_lines == 1 || g->filter_lines == 3);
    const int8_t *x = (const int8_t *)to;
    int8_t *y = t->y;
    int32_t line = p->row * g->line_stride - g->line_pad;
    const int32_t end = line + lines_seen(g, p->rows);
    int32_t i;

    for (; line < end; line++) {
        if (line < 0 || line >= g->line_count) {
            to = put_zeros(to, values);
        } else {
            to = put_zeros(to, p->before);
            to = put_values(to, image + line * g->length * g->channels + p->start, p->inside, g->channels, offset);
            to = put_zeros(to, p->after);
        }
    }
    t->lines = g->filter_lines;
    t->taps = g->filter_taps;
    t->gap = g->filter_lines == 1 ? 0 : 8 * (values * g->line_dilation - g->filter_taps);
    t->x_step = 8 * g->stride;
    t->y_step = g->channels;
    for (i = 0; i < p->rows; i++) {
        t->x = x;
        t->y = y;
        t->end = x + p->places * t->x_step;
        if (thrice) {
            run_nine(t);
        } else {
            run_any(t);
        }
        x += 8 * values * g->line_stride;
        y += g->width * g->channels;
    }
}

static void see(const geometry *g, part *p)
{
    const int32_t values = values_seen(g, p->places);
    const int32_t first = p->place * g->stride - g->pad;

    p->before = es_larger(0, es_smaller(-first, values));
    p->inside = es_larger(0, es_smaller(values, g->length - first) - p->before);
    p->after = values - p->before - p->inside;
    p->start = (first + p->before) * g->channels;
}

void es_depthwise_lines_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const geometry g = geometry_of(m, n);
    const es_channels channels = es_channels_of(m, n, g.filter_lines * g.filter_taps);
    const int8_t *filters = (const int8_t *)m->tensors[n->inputs[1]].constant;
    int32_t *const numbers = es_node_scratch(m, n);
    const int8_t *image = es_model_values(m, n->inputs[0]);
    const bool upright = is_upright(m, n);
    /* Along and across lines: what the rows asked for are, and all of the other. */
    const es_rows all = {0, upright ? 1 : g.width};
    const es_rows lines = upright ? all : rows;
    const es_rows places = upright ? rows : all;
    int8_t *y = es_model_values(m, n->output);
    int32_t batch;
    part p;
    track t;

    t.numbers = numbers;
    for (batch = 0; batch < out->shape[0]; batch++) {
        for (p.row = lines.first; p.row < lines.end; p.row += p.rows) {
            /* Parts end where blocks do. */
            p.rows = es_smaller(g.rows - p.row % g.rows, lines.end - p.row);
            for (p.place = places.first; p.place < places.end; p.place += p.places) {
                int32_t channel;

                p.places = es_smaller(g.places - p.place % g.places, places.end - p.place);
                see(&g, &p);
                for (channel = 0; channel < g.channels; channel += GROUP) {
                    /* The last four overlap those before where the number is no multiple. */
                    const int32_t first = es_smaller(channel, g.channels - GROUP);

                    t.y = y + (p.row * g.width + p.place) * g.channels + first;
                    if (put_numbers(&g, &channels, first, filters, numbers)) {
                        run_part(&g, &p, in->zero_point, image + first, (uint32_t *)numbers + numbers_size(&g), &t);
                    } else {
                        const es_rows down = {p.row, p.row + p.rows};
                        const es_rows along = {p.place, p.place + p.places};
                        const es_area area = {upright ? along : down, upright ? down : along, {first, first + GROUP}};

                        es_depthwise_plainly(m, n, &channels, image, &area, y);
                    }
                }
            }
        }
        es_limit_values(n, y + (lines.first * g.width + places.first) * g.channels,
                        (lines.end - lines.first) * (places.end - places.first) * g.channels);
        image += in->elements / (uint32_t)in->shape[0];
        y += out->elements / (uint32_t)out->shape[0];
    }
}

#endif
