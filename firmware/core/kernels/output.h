/* From the sums of a channel to its output values. */
#ifndef ES_KERNELS_OUTPUT_H
#define ES_KERNELS_OUTPUT_H

#include "window.h"

/* What the channels of a node with weights have; a node with one multiplier for
 * all has `step` 0. */
typedef struct {
    const int32_t *multipliers;
    const int8_t *shifts;
    const uint8_t *biases; /* NULL: none */
    int32_t step;
    int32_t zero_point;
    bool few; /* products a sum: so few that they leave room for a bias */
} es_channels;

es_channels es_channels_of(const es_model *m, const es_node *n, int32_t taps);

static inline int32_t es_channel_bias(const es_channels *c, int32_t channel)
{
    return c->biases == NULL ? 0 : (int32_t)es_load_word(c->biases + 4 * channel);
}

/* Whether es_scale holds for every sum of a channel. */
static inline bool es_channel_is_quick(const es_channels *c, int32_t shift, int32_t bias)
{
    return c->few && es_scaler_fits(shift) && bias >= -ES_SCALER_LIMIT / 2 && bias < ES_SCALER_LIMIT / 2;
}

/* Any sum's value, within int8 and without the node's limits. */
int8_t es_channel_value(int32_t sum, int32_t multiplier, int32_t shift, int32_t zero_point);

/* The values of `count` sums, at least 1, that include `bias`: `step` bytes apart. */
static inline void es_put_channel(const es_channels *c, int32_t channel, int32_t bias, const int32_t *sums,
                                  int32_t count, int8_t *y, int32_t step)
{
    const int32_t multiplier = c->multipliers[channel * c->step];
    const int32_t shift = c->shifts[channel * c->step];
    const int32_t *const end = sums + count;

    if (es_channel_is_quick(c, shift, bias)) {
        const es_scaler scaler = es_scaler_from(multiplier, shift, c->zero_point);

        do {
            *y = (int8_t)es_saturate8(es_scale(*sums++, scaler));
            y += step;
        } while (sums != end);
    } else {
        do {
            *y = es_channel_value(*sums++, multiplier, shift, c->zero_point);
            y += step;
        } while (sums != end);
    }
}

/* Applies the node's fused activation to values that are in place. */
void es_limit_values(const es_node *n, int8_t *y, int32_t count);

#endif
