/* Panels for Arm's DSP extension: two products an instruction.
 *
 * SXTB16 widens bytes 0 and 2 of a word, then 1 and 3. A panel is made of such
 * pairs of words, so that a filter, which is read from flash as it is, needs no
 * other order: for each four taps the pairs of patch 0, of patch 1, ... Places for
 * 1, 2, 4 or 6 patches. */
#include "panel.h"

#if ES_DSP

static int32_t quads(int32_t taps)
{
    return (taps + 3) / 4;
}

/* Patches that there is code for. */
static int32_t places(int32_t positions)
{
    return positions <= 2 ? positions : positions <= 4 ? 4 : 6;
}

int32_t es_panel_positions(int32_t taps)
{
    const int32_t fit = ES_PANEL_BYTES / 8 / quads(taps);

    return fit >= 6 ? 6 : fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
}

uint32_t es_panel_size(int32_t taps, int32_t positions)
{
    return (uint32_t)(8 * quads(taps) * places(positions));
}

/* The last 1 to 3 of `count` values, and zeros; nothing beyond is read. */
static uint32_t last_word(const int8_t *values, int32_t count)
{
    uint32_t word = 0;
    int32_t i;

    if (count >= 4) {
        return es_load_word(values + count - 4) >> (8 * ((uint32_t)-count & 3));
    }
    for (i = count - 1; i >= 0; i--) {
        word = word << 8 | (uint8_t)values[i];
    }
    return word;
}

/* Four values, widened, `offset` added. */
static inline uint32_t *put_word(uint32_t *to, uint32_t word, uint32_t offset)
{
    es_store_words(to, es_sxtab16(offset, word), es_sxtab16_high(offset, word));
    return to;
}

void es_panel_fill(const es_panel *p, int32_t position, const es_patch *patch, int32_t offset)
{
    const uint32_t both = es_pack16(offset, offset);
    const int32_t step = 2 * places(p->positions);
    const uint32_t rest = (uint32_t)patch->values & 3;
    const int32_t words = (int32_t)((uint32_t)patch->values / 4); /* of a row */
    const int32_t gap = patch->step - 4 * words;
    const int8_t *from = patch->first;
    uint32_t *to = (uint32_t *)(void *)p->values + 2 * position;
    int32_t words_left = words;
    int32_t left;

    if (patch->rows == 1) {
        const int8_t *const end = from + 4 * words;

        while (from != end) {
            to = put_word(to, es_load_word(from), both) + step;
            from += 4;
        }
    } else {
        for (left = words * patch->rows; left > 0; left--) {
            to = put_word(to, es_load_word(from), both) + step;
            from += 4;
            if (--words_left == 0) {
                words_left = words;
                from += gap;
            }
        }
    }
    if (rest != 0) {
        (void)put_word(to, last_word(patch->first, patch->values), both);
    }
}

#if ES_DSP_NATIVE

/* By hand, since a compiler makes two or four loads of every LDM. First r0 panel, r1
 * filter, r2 and r3 four taps of it, r4-r7 those of two patches, the rest sums; then
 * r1 panel, r2 output, r3 step, r4-r6 scaler. */
#define WIDEN "sxtb16 r3, r2, ror #8\n\tsxtb16 r2, r2\n\t"
#define TWO_PATCHES(a, b)                                                                                              \
    "ldmia r0!, {r4-r7}\n\tsmlad " a ", r4, r2, " a "\n\tsmlad " b ", r6, r2, " b "\n\tsmlad " a ", r5, r3, " a        \
    "\n\tsmlad " b ", r7, r3, " b "\n\t"
#define PATCHES_1 "ldmia r0!, {r4-r5}\n\tsmlad r8, r4, r2, r8\n\tsmlad r8, r5, r3, r8\n\t"
#define PATCHES_2 TWO_PATCHES("r8", "r9")
#define PATCHES_4 PATCHES_2 TWO_PATCHES("r10", "r11")
#define PATCHES_6 PATCHES_4 TWO_PATCHES("r12", "lr")
#define FOUR_TAPS(patches) "ldr r2, [r1], #4\n\t" WIDEN patches

/* es_scale of a sum, and es_saturate8; where the last place may be empty, only if
 * there are `positions` patches. */
#define OUTPUT(sum)                                                                                                    \
    "lsl r0, " sum ", #1\n\tsmmlar r0, r0, r4, r5\n\tsub r0, r0, " sum ", lsr #31\n\t"                                 \
    "asr r0, r0, r6\n\tssat r0, #8, r0\n\tstrb r0, [r2]\n\tadd r2, r2, r3\n\t"
#define LAST_OUTPUT(sum, positions) "ldr r7, [r1, #44]\n\tcmp r7, #" positions "\n\tbne 7f\n\t" OUTPUT(sum)
#define OUTPUTS_2 OUTPUT("r8") OUTPUT("r9")
#define OUTPUTS_4 OUTPUTS_2 OUTPUT("r10") LAST_OUTPUT("r11", "4")
#define OUTPUTS_6 OUTPUTS_2 OUTPUT("r10") OUTPUT("r11") OUTPUT("r12") LAST_OUTPUT("lr", "6")

#define DEFINE_DOT(name, patches, outputs)                                                                             \
    static __attribute__((noinline)) void name(es_panel *p)                                                            \
    {                                                                                                                  \
        register es_panel *argument __asm("r0") = p;                                                                   \
                                                                                                                       \
        __asm volatile("push {r0, r4-r11, lr}\n\t"                                                                     \
                       "ldr r8, [r0, #20]\n\t"                                                                         \
                       "ldmia r0, {r0-r3}\n\t"                                                                         \
                       "push {r2, r3}\n\t"                                                                             \
                       "mov r9, r8\n\tmov r10, r8\n\tmov r11, r8\n\tmov r12, r8\n\tmov lr, r8\n\t"                     \
                       "b 2f\n"                                                                                        \
                       "1:\t" FOUR_TAPS(patches) FOUR_TAPS(patches) FOUR_TAPS(patches) FOUR_TAPS(patches)              \
                       "2:\tldr r2, [sp]\n\t"                                                                          \
                       "cmp r0, r2\n\t"                                                                                \
                       "bne 1b\n\t"                                                                                    \
                       "b 4f\n"                                                                                        \
                       "3:\t" FOUR_TAPS(patches)                                                                       \
                       "4:\tldr r2, [sp, #4]\n\t"                                                                      \
                       "cmp r0, r2\n\t"                                                                                \
                       "bne 3b\n\t"                                                                                    \
                       "ldr r1, [sp, #8]\n\t"                                                                          \
                       "ldr r2, [r1, #16]\n\t"                                                                         \
                       "cbz r2, 5f\n\t" WIDEN patches                                                                  \
                       "5:\tadd r0, r1, #24\n\t"                                                                       \
                       "ldmia r0, {r2-r6}\n\t"                                                                         \
                       "cmp r6, #0\n\tbeq 6f\n\t" outputs                                                              \
                       "b 7f\n"                                                                                        \
                       "6:\tadd r1, r1, #48\n\t"                                                                       \
                       "stmia r1, {r8-r12, lr}\n"                                                                      \
                       "7:\tadd sp, sp, #8\n\t"                                                                        \
                       "pop {r0, r4-r11, lr}"                                                                          \
                       : "+r"(argument)                                                                                \
                       :                                                                                               \
                       : "r1", "r2", "r3", "r12", "cc", "memory");                                                     \
    }

DEFINE_DOT(dot_1, PATCHES_1, OUTPUT("r8"))
DEFINE_DOT(dot_2, PATCHES_2, OUTPUTS_2)
DEFINE_DOT(dot_4, PATCHES_4, OUTPUTS_4)
DEFINE_DOT(dot_6, PATCHES_6, OUTPUTS_6)

#else

static const uint32_t *add_four_taps(es_panel *p, const uint32_t *x, uint32_t word, int32_t count)
{
    int32_t i;

    for (i = 0; i < count; i++) {
        p->sums[i] = es_smlad(x[2 * i], es_sxtb16(word), p->sums[i]);
        p->sums[i] = es_smlad(x[2 * i + 1], es_sxtb16_high(word), p->sums[i]);
    }
    return x + 2 * count;
}

static void dot(es_panel *p, int32_t count)
{
    const uint32_t *x = (const uint32_t *)(const void *)p->values;
    const int8_t *filter = p->filter;
    int32_t i;

    for (i = 0; i < count; i++) {
        p->sums[i] = p->bias;
    }
    while (x != (const uint32_t *)(const void *)p->end) {
        x = add_four_taps(p, x, es_load_word(filter), count);
        filter += 4;
    }
    if (p->last != 0) {
        (void)add_four_taps(p, x, p->last, count);
    }
    for (i = 0; i < p->positions && p->scaler.shift != 0; i++) {
        p->y[i * p->step] = (int8_t)es_saturate8(es_scale(p->sums[i], p->scaler));
    }
}

static void dot_1(es_panel *p)
{
    dot(p, 1);
}

static void dot_2(es_panel *p)
{
    dot(p, 2);
}

static void dot_4(es_panel *p)
{
    dot(p, 4);
}

static void dot_6(es_panel *p)
{
    dot(p, 6);
}

#endif

void es_panel_init(es_panel *p, void *memory, int32_t taps, int32_t positions)
{
    const int32_t values = 4 * places(positions); /* for four taps */

    p->values = memory;
    p->end_of_fours = p->values + taps / 16 * 4 * values;
    p->end = p->values + taps / 4 * values;
    p->last = 0;
    p->taps = taps;
    p->positions = positions;
    p->multiply = positions <= 1 ? dot_1 : positions <= 2 ? dot_2 : positions <= 4 ? dot_4 : dot_6;
}

/* Sums alone, for a channel that is out of es_scale's range. */
static ES_SMALL void multiply_slowly(es_panel *p, const es_channels *channels, int32_t channel)
{
    p->scaler.shift = 0;
    p->multiply(p);
    es_put_values(channels, channel, p->sums, p->positions, p->y, p->step);
}

void es_panel_multiply(es_panel *p, const int8_t *filters, const es_channels *channels, int32_t first, int32_t end,
                       int8_t *y, int32_t step)
{
    static const int32_t no_bias = 0;
    void (*const multiply)(es_panel * p) = p->multiply;
    const bool has_bias = channels->biases != NULL;
    const uint8_t *bias_at = has_bias ? channels->biases + 4 * first : (const uint8_t *)&no_bias;
    const int32_t bias_step = has_bias ? 4 : 0;
    const int32_t *multiplier = channels->multipliers + first;
    const int8_t *shift_at = channels->shifts + first;
    const int8_t *const end_shift = channels->shifts + end;
    const int32_t taps = p->taps;
    const bool few = channels->few;
    const int32_t half_and_zero = channels->zero_point * 2 + 1;

    p->step = step;
    for (; shift_at != end_shift; shift_at++) {
        const int32_t bias = (int32_t)es_load_word(bias_at);
        const int32_t shift = *shift_at;

        p->filter = filters;
        p->bias = bias;
        p->y = y++;
        if ((taps & 3) != 0) {
            p->last = last_word(filters, taps);
        }
        if (es_channel_is_quick(few, shift, bias)) {
            p->scaler.multiplier = *multiplier;
            p->scaler.addend = half_and_zero * (1 << (-shift - 1));
            p->scaler.shift = -shift;
            multiply(p);
        } else {
            multiply_slowly(p, channels, (int32_t)(multiplier - channels->multipliers));
        }
        bias_at += bias_step;
        multiplier++;
        filters += taps;
    }
}

#endif
