/* DEPTHWISE_CONV_2D by lines, four channels at a time: they are put into scratch as
 * 16-bit values in order of place, with zeros beyond the image's edges, so that no
 * place is a special one. For one filter a channel, whose taps along the lines are
 * neighbours. */
#ifndef ES_KERNELS_DEPTHWISE_H
#define ES_KERNELS_DEPTHWISE_H

#include "output.h"

/* Output values [first, end) along each dimension of one image. */
typedef struct {
    es_rows rows;
    es_rows columns;
    es_rows channels;
} es_area;

/* Whether lines are an advantage to the node, on any processor; sets scratch_size and
 * block then. */
ES_SMALL bool es_depthwise_lines_check(const es_model *m, es_node *n);

/* For a node that was so checked. */
void es_depthwise_lines_run(const es_model *m, const es_node *n, es_rows rows);

/* An area of any node's output from one image, with nothing but the stack, and
 * without the node's limits. */
void es_depthwise_plainly(const es_model *m, const es_node *n, const es_channels *channels, const int8_t *image,
                          const es_area *area, int8_t *y);

#endif
