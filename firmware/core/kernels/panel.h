/* Dot products of filters with several patches of the input at once.
 *
 * A panel holds up to ES_PANEL_POSITIONS patches as 16-bit values from which the
 * zero point is taken, in the order that suits the processor: panel.c is for any,
 * panel_dsp.c for Arm's DSP extension. A filter is read once for all of them. */
#ifndef ES_KERNELS_PANEL_H
#define ES_KERNELS_PANEL_H

#include <stdint.h>

enum { ES_PANEL_POSITIONS = 6, ES_PANEL_BYTES = 2048 };

typedef struct es_panel {
    int16_t *values;            /* aligned to 4 bytes */
    const int8_t *filter;       /* what panel_dsp.c's code reads by offset, up to `sums` */
    const int8_t *end_of_fours; /* of the filter's words, four at a time */
    const int8_t *end;          /* of its whole words */
    uint32_t last;              /* the rest of the filter; 0 where there is none */
    int32_t bias;
    int32_t sums[ES_PANEL_POSITIONS];
    void (*multiply)(struct es_panel *p);
    int32_t taps; /* values of a patch and of a filter; at least 1 */
    int32_t positions;
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

/* p->sums[i] becomes the bias and the dot product of the filter with patch i, for
 * all of p->positions; sums past them are undefined after. */
void es_panel_dot(es_panel *p, const int8_t *filter, int32_t bias);

#endif
