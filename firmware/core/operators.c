#include "operators.h"

static const es_operator operators[] = {
    {"ADD", 0, 2, 11, 2, 2, es_add_check, es_add_run, ES_SAME_ROW, NULL},
    {"AVERAGE_POOL_2D", 1, 3, 5, 1, 1, es_pool_check, es_average_pool_run, ES_WINDOW, NULL},
    {"CONV_2D", 3, 6, 1, 2, 3, es_conv_check, es_conv_run, ES_WINDOW, es_conv_macs},
    {"DEPTHWISE_CONV_2D", 4, 7, 2, 2, 3, es_depthwise_conv_check, es_depthwise_conv_run, ES_WINDOW,
     es_depthwise_conv_macs},
    {"FULLY_CONNECTED", 9, 12, 8, 2, 3, es_fully_connected_check, es_fully_connected_run, ES_WHOLE,
     es_fully_connected_macs},
    {"MAX_POOL_2D", 17, 3, 5, 1, 1, es_pool_check, es_max_pool_run, ES_WINDOW, NULL},
    {"RELU", 19, 2, 0, 1, 1, es_relu_check, es_relu_run, ES_SAME_ROW, NULL},
    {"RELU6", 21, 2, 0, 1, 1, es_relu6_check, es_relu6_run, ES_SAME_ROW, NULL},
    {"RESHAPE", 22, 1, 0, 1, 2, es_reshape_check, es_reshape_run, ES_VIEW, NULL},
    {"SOFTMAX", 25, 3, 9, 1, 1, es_softmax_check, es_softmax_run, ES_WHOLE, NULL},
    {"PAD", 34, 2, 0, 2, 2, es_pad_check, es_pad_run, ES_WHOLE, NULL},
    {"MEAN", 40, 2, 27, 2, 2, es_mean_check, es_mean_run, ES_WHOLE, NULL},
};

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
