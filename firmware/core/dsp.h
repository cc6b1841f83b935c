/* The instructions of Arm's DSP extension that the fast code uses: two 16-bit
 * numbers in a word, `low` and `high`.
 *
 * Where the processor has them they are single instructions; elsewhere they are
 * exact C, so that the same code can be tested on any machine: ES_DSP=1 chooses
 * it there. Without ES_DSP the portable code runs. */
#ifndef ES_DSP_H
#define ES_DSP_H

#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#include <arm_acle.h>
#define ES_DSP_NATIVE 1
#else
#define ES_DSP_NATIVE 0
#endif

#ifndef ES_DSP
#define ES_DSP ES_DSP_NATIVE
#endif

/* Four bytes as they lie in memory, at any address: one LDR on a Cortex-M4. */
static inline uint32_t es_load_word(const void *p)
{
    uint32_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

static inline void es_store_word(void *p, uint32_t word)
{
    memcpy(p, &word, sizeof word);
}

static inline int32_t es_low16(uint32_t x)
{
    return (int16_t)(x & 0xFFFF);
}

static inline int32_t es_high16(uint32_t x)
{
    return (int16_t)(x >> 16);
}

static inline uint32_t es_pack16(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFF) | ((uint32_t)high << 16);
}

#if ES_DSP_NATIVE

static inline int32_t es_smlad(uint32_t a, uint32_t b, int32_t sum)
{
    return __smlad((int16x2_t)a, (int16x2_t)b, sum);
}

static inline uint32_t es_sxtb16(uint32_t x)
{
    return (uint32_t)__sxtb16((int8x4_t)x);
}

/* GCC has no intrinsic for the rotating form and does not find it by itself;
 * nor does it find the packing instructions. */
static inline uint32_t es_sxtb16_high(uint32_t x)
{
    uint32_t wide;

    __asm("sxtb16 %0, %1, ror #8" : "=r"(wide) : "r"(x));
    return wide;
}

static inline uint32_t es_pack_lows(uint32_t a, uint32_t b)
{
    uint32_t packed;

    __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(packed) : "r"(a), "r"(b));
    return packed;
}

static inline uint32_t es_pack_highs(uint32_t a, uint32_t b)
{
    uint32_t packed;

    __asm("pkhtb %0, %2, %1, asr #16" : "=r"(packed) : "r"(a), "r"(b));
    return packed;
}

static inline uint32_t es_pack_low_high(uint32_t a, uint32_t b)
{
    uint32_t packed;

    __asm("pkhbt %0, %1, %2" : "=r"(packed) : "r"(a), "r"(b));
    return packed;
}

static inline uint32_t es_add16(uint32_t a, uint32_t b)
{
    return (uint32_t)__sadd16((int16x2_t)a, (int16x2_t)b);
}

static inline uint32_t es_subtract16(uint32_t a, uint32_t b)
{
    return (uint32_t)__ssub16((int16x2_t)a, (int16x2_t)b);
}

static inline int32_t es_saturate8(int32_t x)
{
    int32_t near;

    __asm("ssat %0, #8, %1" : "=r"(near) : "r"(x));
    return near;
}

/* Products of halves, and of both with the second's halves exchanged; then the
 * top of a 32-bit by 16-bit product. */
static inline int32_t es_smlabb(uint32_t a, uint32_t b, int32_t sum)
{
    return __smlabb((int32_t)a, (int32_t)b, sum);
}

static inline int32_t es_smlatb(uint32_t a, uint32_t b, int32_t sum)
{
    return __smlatb((int32_t)a, (int32_t)b, sum);
}

static inline int32_t es_smlatt(uint32_t a, uint32_t b, int32_t sum)
{
    return __smlatt((int32_t)a, (int32_t)b, sum);
}

static inline int32_t es_smuad(uint32_t a, uint32_t b)
{
    return __smuad((int16x2_t)a, (int16x2_t)b);
}

static inline int32_t es_smlsd(uint32_t a, uint32_t b, int32_t sum)
{
    return __smlsd((int16x2_t)a, (int16x2_t)b, sum);
}

static inline int32_t es_smladx(uint32_t a, uint32_t b, int32_t sum)
{
    return __smladx((int16x2_t)a, (int16x2_t)b, sum);
}

static inline int32_t es_smlawb(int32_t a, uint32_t b, int32_t sum)
{
    return __smlawb(a, (int32_t)b, sum);
}

static inline int32_t es_smlawt(int32_t a, uint32_t b, int32_t sum)
{
    return __smlawt(a, (int32_t)b, sum);
}

static inline uint32_t es_half_add16(uint32_t a, uint32_t b)
{
    return (uint32_t)__shadd16((int16x2_t)a, (int16x2_t)b);
}

static inline uint32_t es_half_subtract16(uint32_t a, uint32_t b)
{
    return (uint32_t)__shsub16((int16x2_t)a, (int16x2_t)b);
}

static inline uint32_t es_ssax(uint32_t a, uint32_t b)
{
    return (uint32_t)__ssax((int16x2_t)a, (int16x2_t)b);
}

static inline uint32_t es_sasx(uint32_t a, uint32_t b)
{
    return (uint32_t)__sasx((int16x2_t)a, (int16x2_t)b);
}

static inline uint32_t es_magnitude16(uint32_t x)
{
    uint32_t magnitude;

    __asm("ssub16 %0, %1, %2\n\tsel %0, %0, %2" : "=&r"(magnitude) : "r"(0), "r"(x));
    return magnitude;
}

/* Bytes 0 and 2 (then 1 and 3) of x as signed 16-bit numbers, added to a's. */
static inline uint32_t es_sxtab16(uint32_t a, uint32_t x)
{
    uint32_t sums;

    __asm("sxtab16 %0, %1, %2" : "=r"(sums) : "r"(a), "r"(x));
    return sums;
}

static inline uint32_t es_sxtab16_high(uint32_t a, uint32_t x)
{
    uint32_t sums;

    __asm("sxtab16 %0, %1, %2, ror #8" : "=r"(sums) : "r"(a), "r"(x));
    return sums;
}

/* Two words to an address that is a multiple of 4. */
static inline void es_store_words(uint32_t *to, uint32_t first, uint32_t second)
{
    __asm("strd %1, %2, %0" : "=m"(*(uint64_t *)(void *)to) : "r"(first), "r"(second));
}

/* sum + a * b / 2^32, rounded to the nearest, halves upwards. */
static inline int32_t es_smmlar(int32_t a, int32_t b, int32_t sum)
{
    int32_t rounded;

    __asm("smmlar %0, %1, %2, %3" : "=r"(rounded) : "r"(a), "r"(b), "r"(sum));
    return rounded;
}

#else

/* low(a), low(b). */
static inline uint32_t es_pack_lows(uint32_t a, uint32_t b)
{
    return (a & 0xFFFF) | (b << 16);
}

/* high(a), high(b). */
static inline uint32_t es_pack_highs(uint32_t a, uint32_t b)
{
    return (a >> 16) | (b & 0xFFFF0000u);
}

/* low(a), high(b). */
static inline uint32_t es_pack_low_high(uint32_t a, uint32_t b)
{
    return (a & 0xFFFF) | (b & 0xFFFF0000u);
}

/* sum + low(a) * low(b) + high(a) * high(b), modulo 2^32. */
static inline int32_t es_smlad(uint32_t a, uint32_t b, int32_t sum)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(es_low16(a) * es_low16(b)) +
                     (uint32_t)(es_high16(a) * es_high16(b)));
}

/* Bytes 0 and 2 as signed 16-bit numbers. */
static inline uint32_t es_sxtb16(uint32_t x)
{
    return es_pack16((int8_t)(x & 0xFF), (int8_t)(x >> 16 & 0xFF));
}

/* Bytes 1 and 3 as signed 16-bit numbers. */
static inline uint32_t es_sxtb16_high(uint32_t x)
{
    return es_sxtb16(x >> 8);
}

/* Sums of the lows and of the highs, each modulo 2^16. */
static inline uint32_t es_add16(uint32_t a, uint32_t b)
{
    return es_pack16(es_low16(a) + es_low16(b), es_high16(a) + es_high16(b));
}

static inline uint32_t es_subtract16(uint32_t a, uint32_t b)
{
    return es_pack16(es_low16(a) - es_low16(b), es_high16(a) - es_high16(b));
}

/* Bytes 0 and 2 (then 1 and 3) of x as signed 16-bit numbers, added to a's. */
static inline uint32_t es_sxtab16(uint32_t a, uint32_t x)
{
    return es_add16(a, es_sxtb16(x));
}

static inline uint32_t es_sxtab16_high(uint32_t a, uint32_t x)
{
    return es_add16(a, es_sxtb16_high(x));
}

/* Two words to an address that is a multiple of 4. */
static inline void es_store_words(uint32_t *to, uint32_t first, uint32_t second)
{
    to[0] = first;
    to[1] = second;
}

/* sum + a * b / 2^32, rounded to the nearest, halves upwards; modulo 2^32. */
static inline int32_t es_smmlar(int32_t a, int32_t b, int32_t sum)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32));
}

/* The nearest number in -128..127. */
static inline int32_t es_saturate8(int32_t x)
{
    return x < -128 ? -128 : x > 127 ? 127 : x;
}

/* sum + low(a) * low(b). */
static inline int32_t es_smlabb(uint32_t a, uint32_t b, int32_t sum)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(es_low16(a) * es_low16(b)));
}

/* sum + high(a) * low(b). */
static inline int32_t es_smlatb(uint32_t a, uint32_t b, int32_t sum)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(es_high16(a) * es_low16(b)));
}

/* sum + high(a) * high(b). */
static inline int32_t es_smlatt(uint32_t a, uint32_t b, int32_t sum)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(es_high16(a) * es_high16(b)));
}

/* low(a) * low(b) + high(a) * high(b), modulo 2^32. */
static inline int32_t es_smuad(uint32_t a, uint32_t b)
{
    return es_smlad(a, b, 0);
}

/* sum + low(a) * low(b) - high(a) * high(b), modulo 2^32. */
static inline int32_t es_smlsd(uint32_t a, uint32_t b, int32_t sum)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(es_low16(a) * es_low16(b)) -
                     (uint32_t)(es_high16(a) * es_high16(b)));
}

/* sum + low(a) * high(b) + high(a) * low(b), modulo 2^32. */
static inline int32_t es_smladx(uint32_t a, uint32_t b, int32_t sum)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(es_low16(a) * es_high16(b)) +
                     (uint32_t)(es_high16(a) * es_low16(b)));
}

/* sum + (a * low(b) >> 16), and with high(b). */
static inline int32_t es_smlawb(int32_t a, uint32_t b, int32_t sum)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(((int64_t)a * es_low16(b)) >> 16));
}

static inline int32_t es_smlawt(int32_t a, uint32_t b, int32_t sum)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(((int64_t)a * es_high16(b)) >> 16));
}

/* Sums and differences of the lows and of the highs, halved downwards. */
static inline uint32_t es_half_add16(uint32_t a, uint32_t b)
{
    return es_pack16((es_low16(a) + es_low16(b)) >> 1, (es_high16(a) + es_high16(b)) >> 1);
}

static inline uint32_t es_half_subtract16(uint32_t a, uint32_t b)
{
    return es_pack16((es_low16(a) - es_low16(b)) >> 1, (es_high16(a) - es_high16(b)) >> 1);
}

/* low(a) + high(b), high(a) - low(b), each modulo 2^16: of complex numbers, real
 * part low, a - i * b. */
static inline uint32_t es_ssax(uint32_t a, uint32_t b)
{
    return es_pack16(es_low16(a) + es_high16(b), es_high16(a) - es_low16(b));
}

/* low(a) - high(b), high(a) + low(b), each modulo 2^16: a + i * b. */
static inline uint32_t es_sasx(uint32_t a, uint32_t b)
{
    return es_pack16(es_low16(a) - es_high16(b), es_high16(a) + es_low16(b));
}

/* Magnitudes of low and high, modulo 2^16: that of -32768 is -32768. */
static inline uint32_t es_magnitude16(uint32_t x)
{
    return es_pack16(es_low16(x) < 0 ? -es_low16(x) : es_low16(x), es_high16(x) < 0 ? -es_high16(x) : es_high16(x));
}

#endif

/* Bits from `bits` on of both, 16 each; `bits` is a constant in 1..16. */
static inline __attribute__((always_inline)) uint32_t es_pack_shifted(int32_t low, int32_t high, int bits)
{
#if ES_DSP_NATIVE && defined(__OPTIMIZE__)
    uint32_t packed;

    __asm("pkhtb %0, %1, %2, asr %3" : "=r"(packed) : "r"((uint32_t)high << (16 - bits)), "r"(low), "i"(bits));
    return packed;
#else
    return ((uint32_t)(low >> bits) & 0xFFFF) | ((uint32_t)(high >> bits) << 16);
#endif
}

#endif
