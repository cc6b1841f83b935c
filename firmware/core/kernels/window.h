/* What convolutions and pools have in common: options, output size, padding,
 * fused activation. */
#ifndef ES_KERNELS_WINDOW_H
#define ES_KERNELS_WINDOW_H

#include "../operators.h"

/* Fused activations and paddings by TensorFlow Lite's numbers. */
enum { ES_ACTIVATION_NONE = 0, ES_ACTIVATION_RELU = 1, ES_ACTIVATION_RELU_N1_TO_1 = 2, ES_ACTIVATION_RELU6 = 3 };
enum { ES_PADDING_SAME = 0, ES_PADDING_VALID = 1 };

/* The longest dot product whose sum cannot leave 32 bits: 255 * 128 * 65,536 < 2^31. */
#define ES_DOT_MAX 65536

static inline int32_t es_smaller(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static inline int32_t es_larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* Narrows the node's output range to a fused activation's. */
ES_SMALL es_status es_fuse_activation(const es_model *m, es_node *n, int8_t activation);

/* From strides, dilation and filter size in n->u.window: the padding, and
 * whether the output has the height and width that follow. */
ES_SMALL es_status es_window_check(const es_model *m, es_node *n, int8_t padding);

/* An int8 tensor of four dimensions with one scale, as input 0. */
ES_SMALL bool es_is_image(const es_tensor *t);

/* Weights as input 1 and an optional bias as input 2, both constant. */
ES_SMALL es_status es_weights_check(const es_model *m, const es_node *n, int32_t channels, int32_t channel_dimension);

/* Where the options of an operator with filters (., height, width, .) have what is
 * not in the same place for all, and which dimension is the output channels'. */
typedef struct {
    uint8_t activation;
    uint8_t dilation_w;
    uint8_t dilation_h;
    uint8_t channel_dimension;
} es_filter_fields;

/* All that operators with filters have in common: images, weights, window, fused
 * activation, a requantiser a channel of the output. */
ES_SMALL es_status es_filters_check(es_model *m, es_node *n, es_filter_fields fields);

#endif
