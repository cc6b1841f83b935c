/* Dot products of filters with several patches of the input at once.
 *
 * A panel holds up to ES_PANEL_POSITIONS patches as 16-bit values from which the
 * zero point is taken, in the order that suits the processor: panel.c is for any,
 * panel_dsp.c for Arm's DSP extension. A filter is read once for all of them. */
#ifndef ES_KERNELS_PANEL_H
#define ES_KERNELS_PANEL_H

#include "output.h"

enum { ES_PANEL_POSITIONS = 6, ES_PANEL_BYTES = 2304 };

typedef struct {
    int16_t *values;    /* aligned to 4 bytes */
    int32_t taps;       /* values of a patch and of a filter; at least 1 */
    int32_t positions;  /* patches */
    int32_t zero_point; /* -128..127, taken from all values */
} es_panel;

/* The most patches of so many taps that a panel should hold: up to ES_PANEL_BYTES,
 * or one. */
int32_t es_panel_positions(int32_t taps);

/* Bytes that the values of a panel take, on any processor. */
ES_SMALL uint32_t es_panel_size(int32_t taps, int32_t positions);

/* Patches begin with so many values more than their taps, which are zero points: to a
 * multiple of four, as filters are read. */
static inline int32_t es_panel_lead(int32_t taps)
{
    return ES_DSP ? -taps & 3 : 0;
}

/* How a patch, with what it begins with, lies in memory: `rows` rows of `values`
 * neighbours, `step` apart. */
typedef struct {
    int32_t rows;
    int32_t values;
    int32_t step;
} es_patch_shape;

/* Puts the patch at `from` into place `position`. */
void es_panel_fill(const es_panel *p, int32_t position, const int8_t *from, const es_patch_shape *shape);

/* Of a node with requantisers by channel, the values of channels [first, end) for all
 * patches of the panel: patch i's are at y + i * step. `filters` is the first channel's;
 * the three bytes before it must be readable. es_limit_values is to follow. */
void es_panel_multiply(const es_panel *p, const int8_t *filters, const es_channels *channels, int32_t first,
                       int32_t end, int8_t *y, int32_t step);

#endif
