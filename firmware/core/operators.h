/* The operators that the firmware has, behind one interface.
 *
 * Which kernels are built in is said in operators.c, in one explicit table; a
 * faster set for another processor is another table with the same checks. */
#ifndef ES_OPERATORS_H
#define ES_OPERATORS_H

#include "model.h"

typedef struct es_operator {
    const char *name;
    uint8_t code;        /* TensorFlow Lite's BuiltinOperator */
    uint8_t max_version; /* newest version whose int8 meaning is the same */
    uint8_t options;     /* BuiltinOptions member; 0 where none is read */
    uint8_t min_inputs;
    uint8_t max_inputs;
    /* Checks types, shapes and quantisation, and fills the node's constants. */
    es_status (*check)(es_model *m, es_node *n);
    void (*run)(const es_model *m, const es_node *n);
    uint64_t (*macs)(const es_model *m, const es_node *n); /* NULL: none */
} es_operator;

/* The operator of a code, or NULL. */
const es_operator *es_operator_find(int32_t code);

es_status es_conv_check(es_model *m, es_node *n);
es_status es_depthwise_conv_check(es_model *m, es_node *n);
es_status es_fully_connected_check(es_model *m, es_node *n);
es_status es_pool_check(es_model *m, es_node *n);
es_status es_reshape_check(es_model *m, es_node *n);
es_status es_softmax_check(es_model *m, es_node *n);
es_status es_add_check(es_model *m, es_node *n);
es_status es_relu_check(es_model *m, es_node *n);
es_status es_relu6_check(es_model *m, es_node *n);
es_status es_pad_check(es_model *m, es_node *n);
es_status es_mean_check(es_model *m, es_node *n);

void es_conv_run(const es_model *m, const es_node *n);
void es_depthwise_conv_run(const es_model *m, const es_node *n);
void es_fully_connected_run(const es_model *m, const es_node *n);
void es_average_pool_run(const es_model *m, const es_node *n);
void es_max_pool_run(const es_model *m, const es_node *n);
void es_reshape_run(const es_model *m, const es_node *n);
void es_softmax_run(const es_model *m, const es_node *n);
void es_add_run(const es_model *m, const es_node *n);
void es_relu_run(const es_model *m, const es_node *n);
void es_relu6_run(const es_model *m, const es_node *n);
void es_pad_run(const es_model *m, const es_node *n);
void es_mean_run(const es_model *m, const es_node *n);

uint64_t es_conv_macs(const es_model *m, const es_node *n);
uint64_t es_depthwise_conv_macs(const es_model *m, const es_node *n);
uint64_t es_fully_connected_macs(const es_model *m, const es_node *n);

#endif
