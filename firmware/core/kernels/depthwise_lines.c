#include "depthwise.h"

#include "output.h"

#if ES_DSP

/* Lines are along the image's width, or along its height where that is all it has. */
enum { GROUP = 4, MOST_PLACES = 40, MOST_ROWS = 4, MOST_BYTES = 2048 };

typedef struct {
    int32_t filter_lines;
    int32_t filter_taps; /* in a line */
    int32_t taps;        /* the same made even by a zero */
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

/* Input lines that `rows` output lines see. */
static int32_t lines_seen(const geometry *g, int32_t rows)
{
    return (rows - 1) * g->line_stride + (g->filter_lines - 1) * g->line_dilation + 1;
}

/* Values of an input line that `places` see, or one more if their number is odd; even. */
static int32_t values_seen(const geometry *g, int32_t places)
{
    return (((places - 1) | 1) * g->stride + g->taps + 1) / 2 * 2;
}

static int32_t scratch_bytes(const geometry *g)
{
    return 2 * GROUP * (g->filter_lines * g->taps + lines_seen(g, g->rows) * values_seen(g, g->places));
}

static bool is_upright(const es_model *m, const es_node *n)
{
    return m->tensors[n->inputs[0]].shape[2] == 1 && n->u.window.filter_w == 1;
}

/* The largest part of the output whose lines fit in MOST_BYTES; no more than a
 * place where nothing does. */
static geometry geometry_of(const es_model *m, const es_node *n)
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
    }
    g.taps = (g.filter_taps + 1) / 2 * 2;
    g.places = es_smaller(g.width, MOST_PLACES);
    g.rows = is_upright(m, n) ? 1 : es_smaller(MOST_ROWS, out->shape[1]);
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

/* Puts places [first, first + count) of four channels into four lines that are
 * `line` words apart; `count` is even, places are `step` bytes apart. Those outside
 * of [0, length) are `outside`, which is taken from all. */
static __attribute__((noinline)) void spread(const int8_t *from, int32_t step, int32_t first, int32_t count,
                                             int32_t length, int32_t outside, uint32_t *to, int32_t line)
{
    const uint32_t offset = es_pack16(-outside, -outside);
    const uint32_t beyond = 0x01010101u * (uint8_t)outside;
    int32_t at = first * step;
    int32_t i;

    for (i = first; i < first + count; i += 2) {
        const uint32_t a = (uint32_t)i < (uint32_t)length ? es_load_word(from + at) : beyond;
        const uint32_t b = (uint32_t)(i + 1) < (uint32_t)length ? es_load_word(from + at + step) : beyond;
        const uint32_t a02 = es_sxtab16(offset, a);
        const uint32_t a13 = es_sxtab16_high(offset, a);
        const uint32_t b02 = es_sxtab16(offset, b);
        const uint32_t b13 = es_sxtab16_high(offset, b);

        to[0] = es_pack_lows(a02, b02);
        to[line] = es_pack_lows(a13, b13);
        to[2 * line] = es_pack_highs(a02, b02);
        to[3 * line] = es_pack_highs(a13, b13);
        to++;
        at += 2 * step;
    }
}

/* What is computed together: `rows` output lines of `places` places. */
typedef struct {
    int32_t row, rows;
    int32_t place, places;
    int32_t line;     /* bytes of an input line of one channel */
    int32_t row_step; /* bytes from one output line to the next */
} part;

enum { WORDS_MOST = 12 };

/* One channel of a line of the output. The first nine are what the code by hand
 * reads by their offsets. */
typedef struct track {
    int8_t *y;
    int32_t step; /* bytes from one place of the output to the next */
    es_scaler scaler;
    int32_t bias;
    int32_t line;           /* bytes from one input line of the filter to the next */
    const uint32_t *filter; /* lines one after the other */
    const int8_t *end;      /* of x */
    const int8_t *x;        /* the first input line */
    int32_t stride;         /* bytes from one place of the input to the next */
    int32_t lines, pairs;
    uint32_t words[WORDS_MOST]; /* of a filter for two places */
    void (*slide)(struct track *t);
    bool of_two;
} track;

/* Two neighbours at once. At stride 1 what the second needs of a line is in the same
 * words as what the first needs: words of a filter of w0, w1, w2 for the first place
 * are (w0, w1), (w2, 0); for the second (0, w0), (w1, w2). A line of a filter of an
 * odd number of taps becomes the words for the first, then those for the second. */
static void words_of_two(const uint32_t *from, int32_t lines, int32_t pairs, uint32_t *words)
{
    for (; lines > 0; lines--) {
        uint32_t *const second = words + pairs;
        uint32_t before = 0;

        while (words != second) {
            const uint32_t word = *from++;

            words[pairs] = before >> 16 | word << 16;
            *words++ = word;
            before = word;
        }
        words += pairs;
    }
}

#if ES_DSP_NATIVE

/* es_scale, es_saturate8 and the next place. */
#define OUTPUT(sum)                                                                                                    \
    "lsl r0, " sum ", #1\n\tsmmlar r0, r0, r4, r5\n\tsub r0, r0, " sum ", lsr #31\n\t"                                \
    "asr r0, r0, r6\n\tssat r0, #8, r0\n\tstrb r0, [r2]\n\tadd r2, r2, r3\n\t"

/* r0 is x, r12 and lr are the sums, the track is on the stack. Only the first of the
 * last two places is written if the other is beyond the end. */
#define DEFINE_SLIDE(name, bytes, products)                                                                            \
    static __attribute__((noinline)) void name(track *t)                                                               \
    {                                                                                                                  \
        register track *argument __asm("r0") = t;                                                                      \
                                                                                                                       \
        __asm volatile("push {r0, r4-r11, lr}\n\t"                                                                     \
                       "mov r1, r0\n\t"                                                                                \
                       "ldr r0, [r0, #36]\n"                                                                            \
                       "1:\tldr r12, [r1, #20]\n\t"                                                                    \
                       "mov lr, r12\n\t" products "ldr r1, [sp]\n\t"                                                  \
                       "add r7, r0, #" bytes "\n\t"                                                                    \
                       "ldr r8, [r1, #32]\n\t"                                                                         \
                       "ldmia r1, {r2-r6}\n\t"                                                                         \
                       "cmp r7, r8\n\t" OUTPUT("r12") "bhi 2f\n\t" OUTPUT("lr") "str r2, [r1]\n\t"                   \
                       "mov r0, r7\n\t"                                                                                \
                       "bne 1b\n"                                                                                       \
                       "2:\tpop {r0, r4-r11, lr}"                                                                      \
                       : "+r"(argument)                                                                                \
                       :                                                                                               \
                       : "r1", "r2", "r3", "r12", "cc", "memory");                                                     \
    }

#define ADD_5(sum, x0, x1, x2, x3, x4)                                                                                 \
    "smlad " sum ", " x0 ", r7, " sum "\n\tsmlad " sum ", " x1 ", r8, " sum "\n\tsmlad " sum ", " x2 ", r9, " sum  \
    "\n\tsmlad " sum ", " x3 ", r10, " sum "\n\tsmlad " sum ", " x4 ", r11, " sum "\n\t"
#define LINE_OF_2(at)                                                                                                  \
    "ldmia r10!, {r4-r7}\n\tldrd r2, r3, [" at "]\n\tsmlad r12, r2, r4, r12\n\tsmlad lr, r2, r6, lr\n\t"           \
    "smlad r12, r3, r5, r12\n\tsmlad lr, r3, r7, lr\n\t"

DEFINE_SLIDE(slide_1_by_9, "4",
             "ldr r1, [r1, #28]\n\tldmia r0, {r2-r6}\n\tldmia r1!, {r7-r11}\n\t" ADD_5("r12", "r2", "r3", "r4", "r5", "r6")
                 "ldmia r1, {r7-r11}\n\t" ADD_5("lr", "r2", "r3", "r4", "r5", "r6"))
DEFINE_SLIDE(slide_1_by_9_skipping, "8",
             "ldr r1, [r1, #28]\n\tldmia r0, {r2-r6}\n\tldmia r1, {r7-r11}\n\t" ADD_5("r12", "r2", "r3", "r4", "r5", "r6")
                 "ldr r2, [r0, #20]\n\t" ADD_5("lr", "r3", "r4", "r5", "r6", "r2"))
DEFINE_SLIDE(slide_3_by_3, "4",
             "ldrd r8, r10, [r1, #24]\n\t" LINE_OF_2("r0") "add r9, r0, r8\n\t" LINE_OF_2("r9")
                 "add r9, r9, r8\n\t" LINE_OF_2("r9"))

#else

/* One place of two: its words are in each line of the filter from `first` on. */
static void slide_one(track *t, const int8_t *x, int32_t first, int32_t line_words)
{
    int32_t sum = t->bias;
    int32_t i;
    int32_t j;

    for (i = 0; i < t->lines; i++) {
        for (j = 0; j < t->pairs; j++) {
            sum = es_smlad(es_load_word(x + i * t->line + 4 * j), t->filter[i * line_words + first + j], sum);
        }
    }
    *t->y = (int8_t)es_saturate8(es_scale(sum, t->scaler));
    t->y += t->step;
}

static void slide_two(track *t)
{
    const int8_t *x;

    for (x = t->x; x < t->end; x += 4) {
        slide_one(t, x, 0, 2 * t->pairs);
        if (x + 2 < t->end) {
            slide_one(t, x, t->pairs, 2 * t->pairs);
        }
    }
}

static void slide_1_by_9(track *t)
{
    slide_two(t);
}

static void slide_1_by_9_skipping(track *t)
{
    const int8_t *x;

    for (x = t->x; x != t->end; x += 4) {
        slide_one(t, x, 0, t->pairs);
    }
}

static void slide_3_by_3(track *t)
{
    slide_two(t);
}

#endif

static inline int32_t sum_at(const track *t, const int8_t *x)
{
    const uint32_t *filter = t->filter;
    int32_t sum = t->bias;
    int32_t i;
    int32_t j;

    for (i = 0; i < t->lines; i++) {
        for (j = 0; j < t->pairs; j++) {
            sum = es_smlad(es_load_word(x + 4 * j), *filter++, sum);
        }
        x += t->line;
    }
    return sum;
}

static void slide_any(track *t)
{
    const int8_t *x;
    int8_t *y = t->y;

    for (x = t->x; x != t->end; x += t->stride) {
        *y = (int8_t)es_saturate8(es_scale(sum_at(t, x), t->scaler));
        y += t->step;
    }
}

/* All lines of a channel whose numbers are out of es_scale's range. */
static ES_SMALL __attribute__((noinline)) void run_channel_slowly(const geometry *g, const part *p,
                                                                  const es_channels *channels, int32_t channel,
                                                                  const track *t)
{
    int32_t row;
    int32_t place;

    for (row = 0; row < p->rows; row++) {
        for (place = 0; place < p->places; place++) {
            const int32_t sum = sum_at(t, t->x + row * p->line * g->line_stride + place * t->stride);

            es_put_values(channels, channel, &sum, 1, t->y + row * p->row_step + place * t->step, 0);
        }
    }
}

/* The code for a filter and stride, and whether it wants the words of two. */
static void choose(const geometry *g, track *t)
{
    t->of_two = false;
    t->slide = slide_any;
    if (g->filter_lines == 1 && g->filter_taps == 9 && g->stride <= 2) {
        t->of_two = g->stride == 1;
        t->slide = t->of_two ? slide_1_by_9 : slide_1_by_9_skipping;
    } else if (g->filter_lines == 3 && g->filter_taps == 3 && g->stride == 1) {
        t->of_two = true;
        t->slide = slide_3_by_3;
    }
}

/* All lines of one channel, which t->x and t->y are at the start of. */
static __attribute__((noinline)) void run_channel(const geometry *g, const part *p, const es_channels *channels,
                                                  int32_t channel, track *t)
{
    const int32_t shift = channels->shifts[channel];
    const int32_t x_step = p->line * g->line_stride;
    const int8_t *x = t->x;
    int8_t *y = t->y;
    int32_t rows;

    t->bias = es_channel_bias(channels, channel);
    if (!es_channel_is_quick(channels->few, shift, t->bias)) {
        run_channel_slowly(g, p, channels, channel, t);
        return;
    }
    t->scaler = es_scaler_from(channels->multipliers[channel], shift, channels->zero_point);
    if (t->of_two) {
        words_of_two(t->filter, t->lines, t->pairs, t->words);
        t->filter = t->words;
    }
    for (rows = p->rows; rows > 0; rows--) {
        t->x = x;
        t->y = y;
        t->end = x + p->places * t->stride;
        t->slide(t);
        x += x_step;
        y += p->row_step;
    }
}

static __attribute__((noinline)) void run_part(const geometry *g, const part *p, const es_tensor *in,
                                               const int8_t *weights, const es_channels *channels, uint32_t *scratch,
                                               const int8_t *image, int8_t *y)
{
    const int32_t pairs = g->taps / 2;
    const int32_t filter_words = g->filter_lines * pairs;
    const int32_t seen = lines_seen(g, p->rows);
    const int32_t line_words = p->line / 4;
    uint32_t *const lines = scratch + GROUP * filter_words;
    int32_t channel;
    track t;

    t.lines = g->filter_lines;
    t.pairs = pairs;
    t.line = p->line * g->line_dilation;
    t.stride = 2 * g->stride;
    t.step = g->channels;
    choose(g, &t);
    for (channel = 0; channel < g->channels; channel += GROUP) {
        /* The last four overlap those before where the number is no multiple. */
        const int32_t first = es_smaller(channel, g->channels - GROUP);
        int32_t i;

        for (i = 0; i < g->filter_lines; i++) {
            spread(weights + i * g->filter_taps * g->channels + first, g->channels, 0, g->taps, g->filter_taps, 0,
                   scratch + i * pairs, filter_words);
        }
        for (i = 0; i < seen; i++) {
            const int32_t at = p->row * g->line_stride - g->line_pad + i;
            const bool inside = at >= 0 && at < g->line_count;

            spread(image + (inside ? at * g->length * g->channels : 0) + first, g->channels,
                   p->place * g->stride - g->pad, p->line / 2, inside ? g->length : 0, in->zero_point,
                   lines + i * line_words, seen * line_words);
        }
        for (i = 0; i < GROUP; i++) {
            t.filter = scratch + i * filter_words;
            t.x = (const int8_t *)(lines + i * seen * line_words);
            t.y = y + first + i;
            run_channel(g, p, channels, first + i, &t);
        }
    }
}

void es_depthwise_lines_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const es_window *w = &n->u.window;
    const geometry g = geometry_of(m, n);
    const es_channels channels = es_channels_of(m, n, w->filter_h * w->filter_w);
    const int8_t *weights = (const int8_t *)m->tensors[n->inputs[1]].constant;
    const int8_t *image = es_model_values(m, n->inputs[0]);
    const bool upright = is_upright(m, n);
    /* Along and across lines: what the rows asked for are, and all of the other. */
    const es_rows all = {0, upright ? 1 : g.width};
    const es_rows lines = upright ? all : rows;
    const es_rows places = upright ? rows : all;
    int8_t *y = es_model_values(m, n->output);
    int32_t batch;
    part p;

    p.row_step = g.width * g.channels;
    for (batch = 0; batch < out->shape[0]; batch++) {
        for (p.row = lines.first; p.row < lines.end; p.row += p.rows) {
            /* Parts end where blocks do. */
            p.rows = es_smaller(g.rows - p.row % g.rows, lines.end - p.row);
            for (p.place = places.first; p.place < places.end; p.place += p.places) {
                p.places = es_smaller(g.places - p.place % g.places, places.end - p.place);
                p.line = 2 * values_seen(&g, p.places);
                run_part(&g, &p, in, weights, &channels, es_node_scratch(m, n), image,
                         y + p.row * p.row_step + p.place * g.channels);
            }
        }
        es_limit_values(n, y + lines.first * p.row_step + places.first * g.channels,
                        (lines.end - lines.first) * (places.end - places.first) * g.channels);
        image += in->elements / (uint32_t)in->shape[0];
        y += out->elements / (uint32_t)out->shape[0];
    }
}

#else

bool es_depthwise_lines_check(const es_model *m, es_node *n)
{
    (void)m;
    (void)n;
    return false;
}

void es_depthwise_lines_run(const es_model *m, const es_node *n, es_rows rows)
{
    (void)m;
    (void)n;
    (void)rows;
}

#endif
