/* Panels for Arm's DSP extension: two products an instruction.
 *
 * SXTB16 widens bytes 0 and 2 of a word, then 1 and 3. A panel is made of such
 * pairs of words, so that a filter, which is read from flash as it is, needs no
 * other order: for each four taps the pairs of patch 0, of patch 1, ... Places for
 * 1, 2, 4 or 6 patches. Where taps are no multiple of four the first word of a filter
 * begins with the end of the filter before, and that of a patch with as many zeros. */
#include "panel.h"

#include <stddef.h>

#if ES_DSP

/* Patches that there is code for. */
static int32_t places(int32_t positions)
{
    return positions <= 2 ? positions : positions <= 4 ? 4 : 6;
}

void es_panel_fill(const es_panel *p, int32_t position, const int8_t *from, const es_patch_shape *shape)
{
    const uint32_t offset = es_pack16(-p->zero_point, -p->zero_point);
    const int32_t step = 2 * places(p->positions);
    const int32_t gap = shape->step - shape->values;
    uint32_t *to = (uint32_t *)(void *)p->values + 2 * position;
    int32_t rows;
    int32_t left;

    for (rows = shape->rows; rows > 0; rows--) {
        for (left = shape->values; left > 0; left -= 4) {
            const uint32_t word = es_load_word(from);

            es_store_words(to, es_sxtab16(offset, word), es_sxtab16_high(offset, word));
            from += 4;
            to += step;
        }
        from += gap;
    }
}

/* One channel, whatever its numbers are. */
#if ES_DSP_NATIVE
ES_SMALL
#endif
static void multiply_channel(const es_panel *p, const int8_t *filters, const es_channels *channels, int32_t first,
                             int32_t channel, int8_t *y, int32_t step)
{
    const uint32_t *x = (const uint32_t *)(const void *)p->values;
    const int8_t *const end = filters + (channel - first + 1) * p->taps;
    const int8_t *filter = end - (p->taps + 3) / 4 * 4;
    int32_t sums[ES_PANEL_POSITIONS];
    int32_t i;

    for (i = 0; i < ES_PANEL_POSITIONS; i++) {
        sums[i] = es_channel_bias(channels, channel);
    }
    for (; filter != end; filter += 4) {
        const uint32_t word = es_load_word(filter);

        for (i = 0; i < p->positions; i++) {
            sums[i] = es_smlad(x[2 * i], es_sxtb16(word), sums[i]);
            sums[i] = es_smlad(x[2 * i + 1], es_sxtb16_high(word), sums[i]);
        }
        x += 2 * places(p->positions);
    }
    es_put_channel(channels, channel, sums, p->positions, y + channel - first, step);
}

#if ES_DSP_NATIVE

/* What the code by hand goes by; it reads the members by their offsets. */
typedef struct {
    const uint8_t *bias;       /* of the channel at hand, and so the next two */
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t bias_step;
    intptr_t y_less_shift; /* from the shift's address to where the first patch's value goes */
    int32_t step;          /* from one patch's value to the next's */
    int32_t half_and_zero; /* an es_scaler's addend at shift 1 */
    int32_t none;          /* outputs that are left out, of six */
    const int16_t *values;
    int32_t before;        /* bytes of a filter's first word that are not its own */
    int32_t skipped;       /* of four words, those that the first round leaves out */
    const int16_t *end;    /* of the values */
    const int8_t *filter;
    const int8_t *end_shift;
    int32_t kind; /* 0 to 3, for 1, 2, 4, 6 patches */
} walk;

typedef char walk_is_as_read[offsetof(walk, kind) == 56 ? 1 : -1];

/* By hand, since a compiler makes two or four loads of every LDM. While sums are made
 * r0 is in the panel, r1 in the filter, r2 and r3 have four taps of it, r4-r7 those of
 * two patches, the rest are sums. Then r2 multiplier, r4 addend, r5 shift, r6 the first
 * and r3 the second output, r7 step. On the stack: end of the panel, the walk, where
 * outputs and where sums begin. */
#define FOUR_TAPS "ldr r2, [r1], #4\n\tsxtb16 r3, r2, ror #8\n\tsxtb16 r2, r2\n\t"
#define TWO_PATCHES(a, b)                                                                                              \
    "ldmia r0!, {r4-r7}\n\tsmlad " a ", r4, r2, " a "\n\tsmlad " b ", r6, r2, " b "\n\tsmlad " a ", r5, r3, " a        \
    "\n\tsmlad " b ", r7, r3, " b "\n\t"
#define PATCHES_1 FOUR_TAPS "ldmia r0!, {r4-r5}\n\tsmlad r8, r4, r2, r8\n\tsmlad r8, r5, r3, r8\n\t"
#define PATCHES_2 FOUR_TAPS TWO_PATCHES("r8", "r9")
#define PATCHES_4 PATCHES_2 TWO_PATCHES("r10", "r11")
#define PATCHES_6 PATCHES_4 TWO_PATCHES("r12", "lr")
#define SUMS(here, next, patches)                                                                                      \
    #here ":\t" patches #next ":\t" patches patches patches "ldr r2, [sp]\n\tcmp r0, r2\n\tbne " #here "b\n\t"
#define OUTPUT(sum, place)                                                                                             \
    "lsl.w r0, " sum ", #1\n\tsmmlar r0, r0, r2, r4\n\tsub.w r0, r0, " sum ", lsr #31\n\t"                            \
    "asr.w r0, r0, r5\n\tssat r0, #8, r0\n\tstrb.w r0, [" place "]\n\t"

/* Channels up to the end, or up to one that is out of es_scale's range: then true. */
static __attribute__((noinline)) bool multiply_quickly(walk *w)
{
    register walk *argument __asm("r0") = w;

    __asm volatile("push {r4-r11, lr}\n\t"
                   "ldr r5, [r0, #56]\n\tadr r6, 90f\n\tadd r6, r6, r5, lsl #3\n\tldrd r6, r7, [r6]\n\t"
                   "ldr r4, [r0, #40]\n\tmul r4, r4, r7\n\tadd r7, r6, r4, lsr #2\n\t" /* sums */
                   "ldr r4, [r0, #28]\n\tadr r6, 91f\n\tldrd r6, r5, [r6]\n\tmla r6, r4, r5, r6\n\t" /* outputs */
                   "mov r5, r0\n\tldr r4, [r0, #44]\n\t"
                   "push {r4-r7}\n\t"
                   "ldr r1, [r0, #48]\n\tldr r2, [r0]\n"
                   /* A channel, of whose bias r2 is the address. */
                   "10:\tldr r8, [r2]\n\tldrd r0, r3, [r0, #32]\n\tsubs r1, r1, r3\n\t"
                   "mov r9, r8\n\tmov r10, r8\n\tmov r11, r8\n\tmov r12, r8\n\tmov lr, r8\n\t"
                   "ldr pc, [sp, #12]\n"
                   SUMS(21, 31, PATCHES_1) "b 40f\n"
                   SUMS(22, 32, PATCHES_2) "b 40f\n"
                   SUMS(24, 34, PATCHES_4) "b 40f\n"
                   SUMS(26, 36, PATCHES_6)
                   /* On to the next bias, multiplier and shift. */
                   "40:\tldr r0, [sp, #4]\n\tldmia r0, {r2-r7}\n\tadd r2, r2, r5\n\tadd r6, r6, r4\n\t"
                   "ldrsb r5, [r4], #1\n\tadds r3, r3, #4\n\tstmia r0!, {r2-r4}\n\tldr r2, [r3, #-4]\n\t"
                   "ldr r4, [r0, #12]\n\tnegs r5, r5\n\tsubs r3, r5, #1\n\tcmp r3, #21\n\tbhi 60f\n\t"
                   "lsls r4, r4, r3\n\tadds r3, r6, r7\n\tldr pc, [sp, #8]\n"
                   "50:\t" OUTPUT("lr", "r3, r7, lsl #2") "51:\t" OUTPUT("r12", "r6, r7, lsl #2")
                   OUTPUT("r11", "r3, r7, lsl #1") OUTPUT("r10", "r6, r7, lsl #1")
                   OUTPUT("r9", "r6, r7") OUTPUT("r8", "r6")
                   "ldr r0, [sp, #4]\n\tldmia r0, {r2-r4}\n\tldr r5, [r0, #52]\n\tcmp r4, r5\n\tbne 10b\n\t"
                   "movs r0, #0\n\tb 61f\n"
                   "60:\tmovs r0, #1\n"
                   "61:\tadd sp, sp, #16\n\tpop {r4-r11, lr}\n\tb 92f\n\t"
                   /* Where sums of each kind begin, and four times the bytes of a word's; outputs likewise. */
                   ".balign 4\n"
                   "90:\t.word 21b + 1, (31b - 21b) * 4, 22b + 1, (32b - 22b) * 4\n\t"
                   ".word 24b + 1, (34b - 24b) * 4, 26b + 1, (36b - 26b) * 4\n"
                   "91:\t.word 50b + 1, 51b - 50b\n"
                   "92:"
                   : "+r"(argument)
                   :
                   : "r1", "r2", "r3", "r12", "cc", "memory");
    return argument != NULL;
}

void es_panel_multiply(const es_panel *p, const int8_t *filters, const es_channels *channels, int32_t first,
                       int32_t end, int8_t *y, int32_t step)
{
    static const int32_t no_bias = 0;
    const int32_t words = (p->taps + 3) >> 2;
    const int32_t count = places(p->positions);
    const int8_t *const shifts = channels->shifts + first;
    walk w;

    w.bias_step = channels->biases == NULL ? 0 : 4;
    w.bias = channels->biases == NULL ? (const uint8_t *)&no_bias : channels->biases + 4 * first;
    w.multiplier = channels->multipliers + first;
    w.shift = shifts;
    w.y_less_shift = (intptr_t)y - (intptr_t)shifts;
    w.step = step;
    w.half_and_zero = channels->zero_point * 2 + 1;
    w.none = ES_PANEL_POSITIONS - p->positions;
    w.values = p->values;
    w.before = -p->taps & 3;
    w.skipped = -words & 3;
    w.end = p->values + 4 * words * count;
    w.end_shift = channels->shifts + end;
    w.kind = count >> 1;
    while (w.shift != w.end_shift) {
        if (!channels->quick) {
            w.shift++;
        } else {
            w.filter = filters + (w.shift - shifts) * p->taps;
            if (!multiply_quickly(&w)) {
                break;
            }
        }
        multiply_channel(p, filters, channels, first, (int32_t)(w.shift - channels->shifts) - 1, y, step);
    }
}

#else

void es_panel_multiply(const es_panel *p, const int8_t *filters, const es_channels *channels, int32_t first,
                       int32_t end, int8_t *y, int32_t step)
{
    int32_t channel;

    for (channel = first; channel < end; channel++) {
        multiply_channel(p, filters, channels, first, channel, y, step);
    }
}

#endif

#endif
