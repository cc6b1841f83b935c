#include "operators.h"

/* Each: name, code, newest version, options, inputs, rule, check, run. */
#define ES_ADD {"ADD", 0, 2, 11, 2, 2, ES_SAME_ROW, es_add_check, es_add_run}
#define ES_AVERAGE_POOL_2D {"AVERAGE_POOL_2D", 1, 3, 5, 1, 1, ES_WINDOW, es_pool_check, es_average_pool_run}
#define ES_CONV_2D {"CONV_2D", 3, 6, 1, 2, 3, ES_WINDOW, es_conv_check, es_conv_run}
#define ES_DEPTHWISE_CONV_2D                                                                                           \
    {"DEPTHWISE_CONV_2D", 4, 7, 2, 2, 3, ES_WINDOW, es_depthwise_conv_check, es_depthwise_conv_run}
#define ES_FULLY_CONNECTED                                                                                             \
    {"FULLY_CONNECTED", 9, 12, 8, 2, 3, ES_WHOLE, es_fully_connected_check, es_fully_connected_run}
#define ES_MAX_POOL_2D {"MAX_POOL_2D", 17, 3, 5, 1, 1, ES_WINDOW, es_pool_check, es_max_pool_run}
#define ES_RELU {"RELU", 19, 2, 0, 1, 1, ES_SAME_ROW, es_relu_check, es_relu_run}
#define ES_RELU6 {"RELU6", 21, 2, 0, 1, 1, ES_SAME_ROW, es_relu6_check, es_relu6_run}
#define ES_RESHAPE {"RESHAPE", 22, 1, 0, 1, 2, ES_VIEW, es_reshape_check, es_reshape_run}
#define ES_SOFTMAX {"SOFTMAX", 25, 3, 9, 1, 1, ES_WHOLE, es_softmax_check, es_softmax_run}
#define ES_PAD {"PAD", 34, 2, 0, 2, 2, ES_WHOLE, es_pad_check, es_pad_run}
#define ES_MEAN {"MEAN", 40, 2, 27, 2, 2, ES_WHOLE, es_mean_check, es_mean_run}

#ifndef ES_OPERATORS
#define ES_OPERATORS                                                                                                   \
    ES_ADD, ES_AVERAGE_POOL_2D, ES_CONV_2D, ES_DEPTHWISE_CONV_2D, ES_FULLY_CONNECTED, ES_MAX_POOL_2D, ES_RELU,         \
        ES_RELU6, ES_RESHAPE, ES_SOFTMAX, ES_PAD, ES_MEAN
#endif

static const es_operator operators[] = {ES_OPERATORS};

const es_operator *es_operator_find(int32_t code)
{
    size_t i;

    for (i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (operators[i].code == code) {
            return &operators[i];
        }
    }
    return NULL;
}

uint64_t es_operator_macs(const es_model *m, const es_node *n)
{
    const es_tensor *out = &m->tensors[n->output];

    if (n->operator_->max_inputs != 3) {
        return 0;
    }
    /* Weights are as many for each channel of the output. */
    return (uint64_t)out->elements * (m->tensors[n->inputs[1]].elements / out->shape[out->rank - 1]);
}

es_rows es_row_elements(const es_tensor *t, es_rows rows)
{
    const int32_t all = (int32_t)t->elements;
    const int32_t row = t->rank > 1 ? all / (t->shape[0] * t->shape[1]) : all;
    const es_rows elements = {rows.first * row, t->shape[0] == 1 || t->rank < 2 ? rows.end * row : all};

    return elements;
}
