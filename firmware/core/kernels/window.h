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
es_status es_fuse_activation(const es_model *m, es_node *n, int8_t activation);

/* From strides, dilation and filter size in n->u.window: the padding, and
 * whether the output has the height and width that follow. */
es_status es_window_check(const es_model *m, es_node *n, int8_t padding);

/* An int8 tensor of four dimensions with one scale, as input 0. */
bool es_is_image(const es_tensor *t);

/* Weights as input 1 and an optional bias as input 2, both constant. */
es_status es_weights_check(const es_model *m, const es_node *n, int32_t channels, int32_t channel_dimension);

/* The bias of a channel; 0 where the node has none. */
static inline int32_t es_bias_at(const es_model *m, const es_node *n, int32_t channel)
{
    return n->inputs[2] < 0 ? 0 : es_load_i32(m->tensors[n->inputs[2]].constant + 4 * (size_t)channel);
}

/* From accumulator to output value. */
static inline int8_t es_output_value(const es_node *n, int32_t sum, int32_t multiplier, int shift, int32_t zero_point)
{
    return es_clamp_i8(es_add_wrap(es_requantise(sum, multiplier, shift), zero_point), n->low, n->high);
}

#endif
