/* Convolution by patches: of CONV_2D, and of DEPTHWISE_CONV_2D over one channel. */
#ifndef ES_KERNELS_CONVOLVE_H
#define ES_KERNELS_CONVOLVE_H

#include "window.h"

/* Scratch memory for filters of so many input channels. */
ES_SMALL uint32_t es_convolve_scratch(const es_model *m, const es_node *n, int32_t depth);

/* Output rows `rows` from filters of `depth` input channels each (output channels,
 * height, width, depth), taken from as many groups as the input has. */
ES_SMALL void es_convolve(const es_model *m, const es_node *n, es_rows rows, const int8_t *filters, int32_t depth,
                 void *scratch);

#endif
