/* The fixed-point arithmetic of TensorFlow Lite's int8 reference kernels.
 *
 * A real multiplier is kept as (multiplier / 2^31) * 2^shift with multiplier in
 * [2^30, 2^31). Products are rounded twice, as gemmlowp does: first the high
 * half of the doubled product, half away from zero, then the right shift. */
#ifndef ES_QUANTISE_H
#define ES_QUANTISE_H

#include <stdbool.h>
#include <stdint.h>

#include "dsp.h"
#include "small.h"

typedef struct {
    int32_t multiplier;
    int8_t shift; /* > 0 left, < 0 right; -31..30 */
} es_requantiser;

/* Two's complement sum and product modulo 2^32, as the reference's machine
 * code behaves where C leaves an overflow undefined. */
static inline int32_t es_add_wrap(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t es_sub_wrap(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

static inline int32_t es_shift_left_wrap(int32_t a, int bits)
{
    return (int32_t)((uint32_t)a << bits);
}

/* round(a * b / 2^31), half away from zero; -2^31 * -2^31 saturates. */
ES_SMALL int32_t es_doubling_high_mul(int32_t a, int32_t b);

/* round(x / 2^bits), half away from zero; bits 0..31. */
ES_SMALL int32_t es_rounding_shift_right(int32_t x, int bits);

/* Any sum by a requantiser; es_scale is the quick way for most. */
ES_SMALL int32_t es_requantise(int32_t x, int32_t multiplier, int shift);

static inline int8_t es_clamp_i8(int32_t x, int32_t low, int32_t high)
{
    return (int8_t)(x < low ? low : x > high ? high : x);
}

/* A requantiser and the output's zero point, for sums of less than 2^30. */
typedef struct {
    int32_t multiplier;
    int32_t addend; /* half of the unit that is shifted away, and the zero point */
    int32_t shift;  /* right */
} es_scaler;

enum { ES_SCALER_LIMIT = 1 << 30 };

/* For right shifts of 1..22; es_requantise is for all. */
static inline bool es_scaler_fits(int shift)
{
    return shift <= -1 && shift >= -22;
}

static inline es_scaler es_scaler_from(int32_t multiplier, int shift, int32_t zero_point)
{
    const es_scaler s = {multiplier, (zero_point * 2 + 1) * (1 << (-shift - 1)), -shift};

    return s;
}

/* es_requantise(x) + zero point, unless |x| >= 2^30. With p = x * multiplier, both
 * round down: y = (p + 2^30) / 2^31, then (y + 2^(shift-1) - (y < 0)) / 2^shift.
 * y < 0 where x < 0, but for p = -2^30, where y is 0 and either answer too. */
static inline int32_t es_scale_doubled(int32_t twice_x, es_scaler s)
{
    return (es_smmlar(twice_x, s.multiplier, s.addend) - (twice_x < 0 ? 1 : 0)) >> s.shift;
}

static inline int32_t es_scale(int32_t x, es_scaler s)
{
    return es_scale_doubled(x * 2, s);
}

/* The real multiplier a * b / divisor * 2^exponent, as the reference computes it: in
 * double, then rounded to a requantiser. In integers, since a double is slow on the
 * board. False where it is too large to be shifted, or where a number is not positive
 * and finite. */
ES_SMALL bool es_requantiser_from(float a, float b, float divisor, int exponent, es_requantiser *out);

/* round(value / scale), half away from zero, limited to +-2^24 (far outside
 * int8), in float as the reference does it. */
ES_SMALL int32_t es_quantise_float(float value, float scale);

#endif
