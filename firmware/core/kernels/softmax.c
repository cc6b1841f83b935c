/* SOFTMAX over the last dimension, int8 to int8, in fixed point.
 *
 * exp is a product of constants by the bits of its argument and a polynomial
 * on the rest; the reciprocal of the sum is found by Newton's method. Both are
 * gemmlowp's, in its order of roundings. Q<i> is a number with i integer bits:
 * value = raw / 2^(31 - i). */
#include "../operators.h"

enum { BETA = 0 };
enum { DIFFERENCE_INTEGER_BITS = 5, SUM_INTEGER_BITS = 12 };

es_status es_softmax_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const float beta = es_fb_f32(&m->file, n->options, BETA, 0.0f);
    const int bits = 31 - DIFFERENCE_INTEGER_BITS;

    if (in->type != ES_TYPE_INT8 || in->rank < 1) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    if (in->rank != out->rank || in->elements != out->elements ||
        in->shape[in->rank - 1] != out->shape[out->rank - 1] || in->shape[in->rank - 1] > 1 << 12) {
        return ES_ERR_OPERATOR_SHAPE; /* more terms would overflow the sum */
    }
    if (out->scale != 1.0f / 256.0f || out->zero_point != -128) {
        return ES_ERR_MODEL_QUANTISATION;
    }
    if (!(beta > 0.0f)) {
        return ES_ERR_OPERATOR_OPTIONS;
    }
    if (!es_requantiser_from(beta, in->scale, 1.0f, bits, &n->scaling)) {
        /* So steep that all but the largest inputs vanish: no difference other
         * than 0 is ever scaled. */
        n->u.softmax.difference_minimum = 0;
        return ES_OK;
    }
    if (n->scaling.shift < 1) {
        return ES_ERR_MODEL_QUANTISATION; /* less than 1 */
    }
    /* Differences below this are so far away that their exp is 0. */
    n->u.softmax.difference_minimum =
        -(int32_t)((((int64_t)1 << DIFFERENCE_INTEGER_BITS) - 1) * ((int64_t)1 << (31 - DIFFERENCE_INTEGER_BITS)) >>
                   n->scaling.shift);
    return ES_OK;
}

/* x * 2^bits, saturating. */
static int32_t shift_left(int32_t x, int bits)
{
    const int32_t limit = INT32_MAX >> bits;

    return x > limit ? INT32_MAX : x < -limit - 1 ? INT32_MIN : x * (1 << bits);
}

/* exp on [-1/4, 0): Q0 to Q0, a Taylor polynomial around -1/8. */
static int32_t exp_near_zero(int32_t a)
{
    const int32_t exp_minus_eighth = 1895147668;
    const int32_t third = 715827883;
    const int32_t x = a + (1 << 28);
    const int32_t x2 = es_doubling_high_mul(x, x);
    const int32_t x3 = es_doubling_high_mul(x2, x);
    const int32_t x4_quarter = es_rounding_shift_right(es_doubling_high_mul(x2, x2), 2);
    const int32_t tail = es_rounding_shift_right(es_doubling_high_mul(x4_quarter + x3, third) + x2, 1);

    return exp_minus_eighth + es_doubling_high_mul(exp_minus_eighth, x + tail);
}

/* exp of a Q5 <= 0, as Q0. */
static int32_t exp_negative(int32_t a)
{
    /* exp(-2^k) for k = -2 ... 4, Q0. */
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << (31 - DIFFERENCE_INTEGER_BITS - 2);
    const int32_t fraction = (a & (quarter - 1)) - quarter; /* in [-1/4, 0) */
    const int32_t whole = fraction - a;                     /* the rest, in quarters */
    int32_t result = exp_near_zero(shift_left(fraction, DIFFERENCE_INTEGER_BITS));
    unsigned k;

    if (a == 0) {
        return INT32_MAX;
    }
    for (k = 0; k < sizeof factors / sizeof factors[0]; k++) {
        if ((whole & (quarter << k)) != 0) {
            result = es_doubling_high_mul(result, factors[k]);
        }
    }
    return result;
}

/* 1 / (1 + a) for a Q0 in [0, 1), as Q0. */
static int32_t reciprocal_of_one_plus(int32_t a)
{
    const int32_t constant_48_over_17 = 1515870810; /* Q2 */
    const int32_t constant_minus_32_over_17 = -1010580540;
    const int32_t half_denominator = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
    int32_t x = constant_48_over_17 + es_doubling_high_mul(half_denominator, constant_minus_32_over_17);
    int i;

    for (i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - es_doubling_high_mul(half_denominator, x);

        x += shift_left(es_doubling_high_mul(x, error), 2);
    }
    return shift_left(x, 1);
}

static void softmax_row(const es_node *n, const int8_t *x, int8_t *y, int32_t depth)
{
    const int32_t least = n->u.softmax.difference_minimum;
    int32_t largest = -128;
    int32_t sum = 0;
    int32_t scale;
    int headroom;
    int32_t i;

    for (i = 0; i < depth; i++) {
        largest = x[i] > largest ? x[i] : largest;
    }
    for (i = 0; i < depth; i++) {
        if (x[i] - largest >= least) {
            const int32_t difference = es_requantise(x[i] - largest, n->scaling.multiplier, n->scaling.shift);

            sum += es_rounding_shift_right(exp_negative(difference), SUM_INTEGER_BITS);
        }
    }
    headroom = __builtin_clz((uint32_t)sum);
    scale = reciprocal_of_one_plus((int32_t)(((uint32_t)sum << headroom) - ((uint32_t)1 << 31)));
    for (i = 0; i < depth; i++) {
        int32_t value = -128;

        if (x[i] - largest >= least) {
            const int32_t difference = es_requantise(x[i] - largest, n->scaling.multiplier, n->scaling.shift);
            const int32_t share = es_doubling_high_mul(scale, exp_negative(difference));

            value += es_rounding_shift_right(share, SUM_INTEGER_BITS - headroom + 31 - 8);
        }
        y[i] = es_clamp_i8(value, -128, 127);
    }
}

void es_softmax_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const int32_t depth = in->shape[in->rank - 1];
    const int8_t *x = es_model_values(m, n->inputs[0]);
    int8_t *y = es_model_values(m, n->output);
    uint32_t done;

    (void)rows;

    for (done = 0; done < in->elements; done += (uint32_t)depth) {
        softmax_row(n, x + done, y + done, depth);
    }
}
