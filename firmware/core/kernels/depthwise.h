/* DEPTHWISE_CONV_2D by lines: four channels at a time are put in order of place, so
 * that neighbouring taps of one channel are the two halves of a word. For one filter
 * a channel, whose taps along the lines are neighbours. */
#ifndef ES_KERNELS_DEPTHWISE_H
#define ES_KERNELS_DEPTHWISE_H

#include "window.h"

/* Whether there is faster code than the plain one for the node; sets scratch_size and block. */
ES_SMALL bool es_depthwise_lines_check(const es_model *m, es_node *n);

void es_depthwise_lines_run(const es_model *m, const es_node *n, es_rows rows);

#endif
