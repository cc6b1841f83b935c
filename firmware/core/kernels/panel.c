#include "panel.h"

/* By what panel_dsp.c needs, so that a model takes as much memory everywhere. */
int32_t es_panel_positions(int32_t taps)
{
    const int32_t fit = ES_PANEL_BYTES / 8 / ((taps + 3) / 4);

    return fit >= 6 ? 6 : fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
}

uint32_t es_panel_size(int32_t taps, int32_t positions)
{
    return (uint32_t)((taps + 3) / 4 * 8 * (positions <= 2 ? positions : positions <= 4 ? 4 : 6));
}

#if !ES_DSP

void es_panel_fill(const es_panel *p, int32_t position, const int8_t *from, const es_patch_shape *shape)
{
    int16_t *to = p->values + position * p->taps;
    int32_t row;

    for (row = 0; row < shape->rows; row++) {
        int32_t i;

        for (i = 0; i < shape->values; i++) {
            to[i] = (int16_t)(from[i] - p->zero_point);
        }
        to += shape->values;
        from += shape->step;
    }
}

void es_panel_multiply(const es_panel *p, const int8_t *filters, const es_channels *channels, int32_t first,
                       int32_t end, int8_t *y, int32_t step)
{
    int32_t channel;

    for (channel = first; channel < end; channel++) {
        const int32_t bias = es_channel_bias(channels, channel);
        const int16_t *x = p->values;
        int32_t sums[ES_PANEL_POSITIONS];
        int32_t position;

        for (position = 0; position < p->positions; position++) {
            int32_t sum = 0;
            int32_t i;

            for (i = 0; i < p->taps; i++) {
                sum += x[i] * (int16_t)filters[i];
            }
            sums[position] = es_add_wrap(sum, bias);
            x += p->taps;
        }
        es_put_channel(channels, channel, sums, p->positions, y + channel - first, step);
        filters += p->taps;
    }
}

#endif
