#include "quantise.h"

#include <string.h>

/* Rounded down after half is added: for products of both signs that is the same. */
int32_t es_doubling_high_mul(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

int32_t es_rounding_shift_right(int32_t x, int bits)
{
    const int32_t mask = (int32_t)(((int64_t)1 << bits) - 1);
    const int32_t remainder = x & mask;
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);

    return (x >> bits) + (remainder > threshold ? 1 : 0);
}

int32_t es_requantise(int32_t x, int32_t multiplier, int shift)
{
    const int left = shift > 0 ? shift : 0;

    return es_rounding_shift_right(es_doubling_high_mul(es_shift_left_wrap(x, left), multiplier), left - shift);
}

/* mantissa * 2^exponent, mantissa in [2^23, 2^24). */
typedef struct {
    uint32_t mantissa;
    int exponent;
} parts;

/* False for what is not positive and finite. */
static bool split(float value, parts *out)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    if (bits == 0 || bits >> 23 >= 0xFF) {
        return false;
    }
    out->exponent = (int)(bits >> 23) - 150;
    out->mantissa = bits & 0x7FFFFF;
    if (bits >> 23 != 0) {
        out->mantissa |= 0x800000;
        return true;
    }
    out->exponent++; /* subnormal */
    while (out->mantissa < 0x800000) {
        out->mantissa <<= 1;
        out->exponent--;
    }
    return true;
}

bool es_requantiser_from(float a, float b, float divisor, int exponent, es_requantiser *out)
{
    enum { DOUBLE_BITS = 53, MULTIPLIER_BITS = 31 };
    parts first;
    parts second;
    parts third;
    uint64_t product;
    uint64_t quotient;
    uint64_t unit;
    uint32_t rest;
    int shift;
    int dropped;

    out->multiplier = 0;
    out->shift = 0;
    if (!split(a, &first) || !split(b, &second) || !split(divisor, &third)) {
        return false;
    }
    /* A product of floats is exact in double. Its quotient, times 2^32 so that it has
     * 54 bits or more: byte by byte, as a remainder is below 2^24. */
    product = (uint64_t)first.mantissa * second.mantissa;
    rest = (uint32_t)(product >> 24);
    quotient = rest / third.mantissa;
    rest %= third.mantissa;
    for (shift = 16; shift >= -32; shift -= 8) {
        rest = rest << 8 | (shift < 0 ? 0 : (uint32_t)(product >> shift) & 0xFF);
        quotient = quotient << 8 | rest / third.mantissa;
        rest %= third.mantissa;
    }
    /* To a double's 53 bits, half to even. */
    dropped = 64 - DOUBLE_BITS - __builtin_clzll(quotient);
    unit = (uint64_t)1 << dropped;
    if ((quotient & (unit - 1)) > unit / 2 ||
        ((quotient & (unit - 1)) == unit / 2 && (rest != 0 || (quotient & unit) != 0))) {
        quotient += unit;
    }
    /* To a multiplier's 31, half upwards. */
    dropped += DOUBLE_BITS - MULTIPLIER_BITS;
    quotient = (quotient + ((uint64_t)1 << (dropped - 1))) >> dropped;
    exponent += first.exponent + second.exponent - third.exponent - 32 + dropped + MULTIPLIER_BITS;
    if (quotient >> MULTIPLIER_BITS != 0) {
        quotient >>= 1;
        exponent++;
    }
    if (exponent < -31) {
        return true; /* so small that every product rounds to zero */
    }
    if (exponent > 30) {
        return false;
    }
    out->multiplier = (int32_t)quotient;
    out->shift = (int8_t)exponent;
    return true;
}

int32_t es_quantise_float(float value, float scale)
{
    const float limit = 16777216.0f;
    float ratio = value / scale;
    float magnitude = ratio < 0.0f ? -ratio : ratio;
    int32_t whole;

    if (!(magnitude < limit)) {
        magnitude = limit;
    }
    whole = (int32_t)magnitude;
    if (magnitude - (float)whole >= 0.5f) {
        whole++;
    }
    return ratio < 0.0f ? -whole : whole;
}
