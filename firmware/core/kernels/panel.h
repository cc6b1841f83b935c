/* Dot products of filters with several patches of the input at once.
 *
 * A panel holds up to ES_PANEL_POSITIONS patches as 16-bit values from which the
 * zero point is taken, in the order that suits the processor: panel.c is for any,
 * panel_dsp.c for Arm's DSP extension. A filter is read once for all of them. */
#ifndef ES_KERNELS_PANEL_H
#define ES_KERNELS_PANEL_H

#include "output.h"

enum { ES_PANEL_POSITIONS = 6, ES_PANEL_BYTES = 2048 };

/* The first twelve are what panel_dsp.c's code reads by their offsets. */
typedef struct es_panel {
    int16_t *values;            /* aligned to 4 bytes */
    const int8_t *filter;       /* of the channel at hand */
    const int16_t *end_of_fours; /* of the values for a filter's words, four at a time */
    const int16_t *end;          /* for all of its whole words */
    uint32_t last;              /* the rest of the filter; 0 where there is none */
    int32_t bias;
    int8_t *y;    /* where the first patch's value goes */
    int32_t step; /* from one patch's value to the next's */
    es_scaler scaler; /* shift 0: the sums are stored, and no values */
    int32_t positions;
    int32_t sums[ES_PANEL_POSITIONS];
    void (*multiply)(struct es_panel *p);
    int32_t taps; /* values of a patch and of a filter; at least 1 */
} es_panel;

/* The most patches of so many taps that a panel should hold: up to ES_PANEL_BYTES,
 * or one. */
int32_t es_panel_positions(int32_t taps);

/* Bytes that the values of a panel take. */
uint32_t es_panel_size(int32_t taps, int32_t positions);

/* A panel of so many patches in `memory` of es_panel_size bytes. */
void es_panel_init(es_panel *p, void *memory, int32_t taps, int32_t positions);

/* A patch as it lies in memory: rows of `values` neighbours, `step` apart. More than
 * one row only where `values` is a multiple of 4. */
typedef struct {
    const int8_t *first;
    int32_t rows;
    int32_t values;
    int32_t step;
} es_patch;

/* Puts a patch into place `position`, `offset` (-127..128) added to its values. */
void es_panel_fill(const es_panel *p, int32_t position, const es_patch *patch, int32_t offset);

/* Of a node with requantisers by channel, the values of channels [first, end) for all patches of the panel: patch i's are at
 * y + i * step. `filters` is the first channel's. es_limit_values is to follow. */
void es_panel_multiply(es_panel *p, const int8_t *filters, const es_channels *channels, int32_t first, int32_t end,
                       int8_t *y, int32_t step);

#endif
