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
    bool quick; /* whether all sums are in es_scale's range, as far as products and biases go */
} es_channels;

/* For sums of so many products. */
ES_SMALL es_channels es_channels_of(const es_model *m, const es_node *n, int32_t taps);

static inline int32_t es_channel_bias(const es_channels *c, int32_t channel)
{
    return c->biases == NULL ? 0 : (int32_t)es_load_word(c->biases + 4 * channel);
}

/* Any sum's value, within int8 and without the node's limits. */
ES_SMALL int8_t es_channel_value(int32_t sum, int32_t multiplier, int32_t shift, int32_t zero_point);

/* The values of `count` sums of a channel, `step` bytes apart. */
ES_SMALL void es_put_values(const es_channels *c, int32_t channel, const int32_t *sums, int32_t count, int8_t *y,
                            int32_t step);

/* The same, quicker where it can be; but not for DSP, which has its own ways where it matters. */
static inline void es_put_channel(const es_channels *c, int32_t channel, const int32_t *sums, int32_t count,
                                  int8_t *y, int32_t step)
{
#if !ES_DSP_NATIVE
    const int32_t shift = c->shifts[channel * c->step];

    if (c->quick && es_scaler_fits(shift)) {
        const es_scaler scaler = es_scaler_from(c->multipliers[channel * c->step], shift, c->zero_point);
        int32_t i;

        for (i = 0; i < count; i++) {
            *y = (int8_t)es_saturate8(es_scale(sums[i], scaler));
            y += step;
        }
        return;
    }
#endif
    es_put_values(c, channel, sums, count, y, step);
}

/* Applies the node's fused activation to values that are in place. */
void es_limit_values(const es_node *n, int8_t *y, int32_t count);

#endif
