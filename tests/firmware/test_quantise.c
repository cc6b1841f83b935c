/* Requantising, against its definitions in other arithmetic than its own. */
#include "suite.h"

#include <math.h>

#include "core/quantise.h"

/* Where rounding, saturation and signs change. */
static const int32_t edges[] = {
    INT32_MIN,       INT32_MIN + 1, -0x40000001, -0x40000000, -0x3fffffff, -65537, -65536, -65535, -257, -256, -129,
    -128,            -127,          -4,          -3,          -2,          -1,     0,      1,      2,    3,    4,
    127,             128,           129,         255,         256,         65535,  65536,  65537,  0x3fffffff,
    0x40000000,      0x40000001,    INT32_MAX - 1, INT32_MAX};

/* floor(x / 2^bits), without shifting anything negative. */
static int64_t floor_shift(int64_t x, int bits)
{
    const int64_t divisor = (int64_t)1 << bits;

    return x / divisor - (x % divisor < 0 ? 1 : 0);
}

/* The reference's doubling high multiplication: (ab + 2^30) / 2^31 rounded down,
 * which rounds halves up. */
static int32_t high_multiple(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    return (int32_t)floor_shift((int64_t)a * b + ((int64_t)1 << 30), 31);
}

/* x / 2^bits to the nearest, halves away from zero. */
static int32_t nearest(int32_t x, int bits)
{
    const int64_t magnitude = x < 0 ? -(int64_t)x : x;
    const int64_t rounded = (magnitude + (((int64_t)1 << bits) >> 1)) >> bits;

    return (int32_t)(x < 0 ? -rounded : rounded);
}

/* x * multiplier / 2^31 * 2^shift, the left shift modulo 2^32. */
static int32_t requantised(int32_t x, int32_t multiplier, int shift)
{
    const uint32_t shifted = (uint32_t)x << (shift > 0 ? shift : 0);
    const int32_t wrapped = shifted < 0x80000000u ? (int32_t)shifted : (int32_t)((int64_t)shifted - 0x100000000);

    return nearest(high_multiple(wrapped, multiplier), shift > 0 ? 0 : -shift);
}

static void requantises_as_defined_at_the_edges(void **state)
{
    static const int32_t multipliers[] = {0, 0x40000000, 0x40000001, 0x5a827999, 0x7ffffffe, INT32_MAX};
    size_t i;
    size_t k;
    int shift;

    (void)state;
    for (i = 0; i < COUNT(edges); i++) {
        for (k = 0; k < COUNT(multipliers); k++) {
            for (shift = -31; shift <= 30; shift++) {
                assert_int_equal(es_requantise(edges[i], multipliers[k], shift),
                                 requantised(edges[i], multipliers[k], shift));
            }
        }
    }
}

static void requantises_as_defined_anywhere(void **state)
{
    uint64_t random = 1;
    int i;

    (void)state;
    for (i = 0; i < 200000; i++) {
        /* Sums of every magnitude, multipliers as a model has them. */
        const int32_t x = (int32_t)next_random(&random) >> (next_random(&random) % 31);
        const int32_t multiplier = (int32_t)(0x40000000u | (next_random(&random) & 0x3fffffffu));
        const int shift = (int)(next_random(&random) % 62) - 31;

        assert_int_equal(es_requantise(x, multiplier, shift), requantised(x, multiplier, shift));
    }
}

/* Every sum near the places where the answer changes, for shifts of real layers. */
static void rounds_every_halfway_sum(void **state)
{
    int shift;
    int32_t x;

    (void)state;
    for (shift = -12; shift <= 1; shift++) {
        for (x = -6000; x <= 6000; x++) {
            assert_int_equal(es_requantise(x, 0x40000000, shift), requantised(x, 0x40000000, shift));
        }
    }
}

static void clamps(void **state)
{
    int32_t x;

    (void)state;
    for (x = -300; x <= 300; x++) {
        assert_int_equal(es_clamp_i8(x, -128, 127), x < -128 ? -128 : x > 127 ? 127 : x);
        assert_int_equal(es_clamp_i8(x, -5, 9), x < -5 ? -5 : x > 9 ? 9 : x);
    }
    assert_int_equal(es_clamp_i8(INT32_MIN, -128, 127), -128);
    assert_int_equal(es_clamp_i8(INT32_MAX, -128, 127), 127);
}

/* TensorFlow Lite's QuantizeMultiplier by frexp and llround, of a product and quotient in double. */
static void check_split(float a, float b, float divisor, int power)
{
    const double real = ldexp((double)a * (double)b / (double)divisor, power);
    es_requantiser r = {-1, -1};
    int exponent;
    int64_t fixed = llround(frexp(real, &exponent) * 2147483648.0);

    if (fixed == (int64_t)1 << 31) {
        fixed /= 2;
        exponent++;
    }
    if (exponent > 30) {
        assert_false(es_requantiser_from(a, b, divisor, power, &r));
        return;
    }
    if (exponent < -31) {
        fixed = 0;
        exponent = 0;
    }
    assert_true(es_requantiser_from(a, b, divisor, power, &r));
    assert_int_equal(r.multiplier, fixed);
    assert_int_equal(r.shift, exponent);
}

static float random_float(uint64_t *random, float scale)
{
    return scale * (1.0f + (float)(next_random(random) & 0x7FFFFF) / 8388608.0f);
}

static void splits_a_real_multiplier(void **state)
{
    uint64_t random = 5;
    int exponent;
    int i;

    (void)state;
    for (exponent = -40; exponent <= 40; exponent++) {
        const float power = ldexpf(1.0f, exponent);

        check_split(power, 1.0f, 1.0f, 0);
        check_split(1.0f, power, 1.0f, 1);
        check_split(1.0f, 1.0f, power, -1);
        check_split(nextafterf(power, 0.0f), nextafterf(1.0f, 2.0f), 1.0f, 0);
        check_split(nextafterf(power, 1e30f), nextafterf(1.0f, 0.0f), 1.0f, 3);
        for (i = 0; i < 200; i++) {
            check_split(random_float(&random, power), random_float(&random, 0.01f), random_float(&random, 0.1f), 0);
        }
    }
    check_split(1e-40f, 1.0f, 1e-38f, 0); /* subnormal */
    check_split(1e-45f, 1e-45f, 1e30f, 0);
}

/* A quotient so near to half a unit of the multiplier that a double is that half: a
 * numerator for which numerator * 2^32 = odd * divisor + 1, or + 3, or less. */
static void rounds_twice(void **state)
{
    uint64_t random = 6;
    int met = 0;
    int i;

    (void)state;
    for (i = 0; i < 2000; i++) {
        const int64_t divisor = (int64_t)(next_random(&random) & 0xFFFFFF) | 0x800001;
        int64_t numerator = divisor + 2 * (int64_t)(next_random(&random) % 4) - 3;
        int bit;

        for (bit = 0; bit < 32; bit++) {
            numerator = (numerator % 2 == 0 ? numerator : numerator + divisor) / 2 % divisor;
        }
        if (numerator > divisor / 2) {
            check_split((float)numerator, 1.0f, (float)divisor, 0);
            met++;
        }
    }
    assert_true(met > 500);
}

static void refuses_what_is_no_multiplier(void **state)
{
    es_requantiser r;

    (void)state;
    assert_false(es_requantiser_from(-0.5f, 1.0f, 1.0f, 0, &r));
    assert_false(es_requantiser_from(1.0f, 0.0f, 1.0f, 0, &r));
    assert_false(es_requantiser_from(1.0f, 1.0f, 0.0f, 0, &r));
    assert_false(es_requantiser_from(INFINITY, 1.0f, 1.0f, 0, &r));
    assert_false(es_requantiser_from(1.0f, -INFINITY, 1.0f, 0, &r));
    assert_false(es_requantiser_from(1.0f, 1.0f, NAN, 0, &r));
    assert_false(es_requantiser_from(1.0f, 1.0f, 1.0f, 30, &r));
}

static void quantises_a_float(void **state)
{
    uint64_t random = 9;
    int i;

    (void)state;
    for (i = 0; i < 20000; i++) {
        const float scale = (float)(1 + next_random(&random) % 4000) / 1000.0f;
        const float value = (float)((int32_t)next_random(&random) >> 20) / 8.0f;

        assert_int_equal(es_quantise_float(value, scale), (int32_t)roundf(value / scale));
    }
    assert_int_equal(es_quantise_float(6.0f, 1e-20f), 1 << 24);
    assert_int_equal(es_quantise_float(-6.0f, 1e-20f), -(1 << 24));
}

int main(void)
{
    const struct CMUnitTest quantise[] = {
        cmocka_unit_test(requantises_as_defined_at_the_edges), cmocka_unit_test(requantises_as_defined_anywhere),
        cmocka_unit_test(rounds_every_halfway_sum),            cmocka_unit_test(clamps),
        cmocka_unit_test(splits_a_real_multiplier),
        cmocka_unit_test(rounds_twice),            cmocka_unit_test(refuses_what_is_no_multiplier),
        cmocka_unit_test(quantises_a_float),
    };

    return cmocka_run_group_tests(quantise, NULL, NULL);
}
