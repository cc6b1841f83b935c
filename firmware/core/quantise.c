#include "quantise.h"

#include <string.h>

bool es_requantiser_from(double real, es_requantiser *out)
{
    uint64_t bits;
    uint64_t mantissa;
    uint64_t rounded;
    int exponent;

    memcpy(&bits, &real, sizeof bits);
    exponent = (int)((bits >> 52) & 0x7FF);
    out->multiplier = 0;
    out->shift = 0;
    if (bits == 0) {
        return true;
    }
    if ((bits >> 63) != 0 || exponent == 0x7FF) {
        return false;
    }
    if (exponent == 0) {
        return true; /* subnormal: far below 2^-31 */
    }
    /* real = mantissa / 2^53 * 2^(exponent - 1022), mantissa in [2^52, 2^53). */
    mantissa = (bits & (((uint64_t)1 << 52) - 1)) | ((uint64_t)1 << 52);
    exponent -= 1022;
    rounded = (mantissa + ((uint64_t)1 << 21)) >> 22;
    if (rounded == (uint64_t)1 << 31) {
        rounded >>= 1;
        exponent++;
    }
    if (exponent < -31) {
        return true; /* so small that every product rounds to zero */
    }
    if (exponent > 30) {
        return false;
    }
    out->multiplier = (int32_t)rounded;
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
