#include "output.h"

es_channels es_channels_of(const es_model *m, const es_node *n, int32_t taps)
{
    const bool by_channel = n->channels != 0;
    es_channels c;

    c.multipliers = by_channel ? es_node_multipliers(m, n) : &n->scaling.multiplier;
    c.shifts = by_channel ? es_node_shifts(m, n) : &n->scaling.shift;
    c.step = by_channel ? 1 : 0;
    c.biases = n->inputs[2] < 0 ? NULL : m->tensors[n->inputs[2]].constant;
    c.zero_point = m->tensors[n->output].zero_point;
    c.quick = taps <= ES_SCALER_LIMIT / 2 / (255 * 128);
    if (c.biases != NULL) {
        const uint8_t *const end = c.biases + 4 * m->tensors[n->inputs[2]].elements;
        const uint8_t *at;
        uint32_t beyond = 0;

        for (at = c.biases; at != end; at += 4) {
            beyond |= es_load_word(at) + (uint32_t)ES_SCALER_LIMIT / 2;
        }
        c.quick = c.quick && beyond < (uint32_t)ES_SCALER_LIMIT;
    }
    return c;
}

int8_t es_channel_value(int32_t sum, int32_t multiplier, int32_t shift, int32_t zero_point)
{
    return es_clamp_i8(es_add_wrap(es_requantise(sum, multiplier, shift), zero_point), -128, 127);
}

void es_put_values(const es_channels *c, int32_t channel, const int32_t *sums, int32_t count, int8_t *y,
                   int32_t step)
{
    int32_t i;

    for (i = 0; i < count; i++) {
        *y = es_channel_value(sums[i], c->multipliers[channel * c->step], c->shifts[channel * c->step],
                              c->zero_point);
        y += step;
    }
}

void es_limit_values(const es_node *n, int8_t *y, int32_t count)
{
    int32_t i;

    if (n->low == -128 && n->high == 127) {
        return;
    }
    for (i = 0; i < count; i++) {
        y[i] = es_clamp_i8(y[i], n->low, n->high);
    }
}
