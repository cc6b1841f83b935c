/* The operators that the firmware has, behind one interface.
 *
 * All of them are built in, unless ES_OPERATORS lists fewer: a program whose models
 * are known then links what these use, and refuses others with
 * ES_ERR_OPERATOR_UNSUPPORTED. For example
 * -DES_OPERATORS='ES_CONV_2D, ES_RESHAPE, ES_FULLY_CONNECTED, ES_SOFTMAX'. */
#ifndef ES_OPERATORS_H
#define ES_OPERATORS_H

#include "model.h"

/* Rows [first, end) of an operator's output: places along its dimension 1, which
 * is time for a model that reads frames. */
typedef struct {
    int32_t first;
    int32_t end;
} es_rows;

/* Elements [first, end) of a tensor that rows are made of. More than one batch
 * is computed as a whole only. */
ES_SMALL es_rows es_row_elements(const es_tensor *t, es_rows rows);

/* How an operator's output rows come from its input rows. */
typedef enum {
    ES_WHOLE,    /* the output is computed as a whole, whatever `rows` says */
    ES_SAME_ROW, /* output row r is made of input row r (of each operand that has rows) */
    ES_WINDOW,   /* output row r is made of the rows under n->u.window at r */
    ES_VIEW      /* the output is input 0's memory under another shape; `run` has nothing to do */
} es_row_rule;

typedef struct es_operator {
    const char *name;
    uint8_t code;        /* TensorFlow Lite's BuiltinOperator */
    uint8_t max_version; /* newest version whose int8 meaning is the same */
    uint8_t options;     /* BuiltinOptions member; 0 where none is read */
    uint8_t min_inputs;
    uint8_t max_inputs; /* 3: data, weights and a bias */
    uint8_t rule;       /* es_row_rule */
    /* Checks types, shapes and quantisation, and fills the node's constants. */
    es_status (*check)(es_model *m, es_node *n);
    /* Computes the output's rows `rows`, or all of it under ES_WHOLE. A kernel
     * works through blocks of n->block rows, upwards or, if n->backward is set,
     * downwards from the last (a check says by n->reversible that it can); once
     * it has written into a block it reads no input row that only blocks before
     * it need, so that memory may be shared. */
    void (*run)(const es_model *m, const es_node *n, es_rows rows);
} es_operator;

/* The operator of a code, or NULL. */
ES_SMALL const es_operator *es_operator_find(int32_t code);

/* Multiply-accumulates of a node with weights; 0 of others. */
ES_SMALL uint64_t es_operator_macs(const es_model *m, const es_node *n);

ES_SMALL es_status es_conv_check(es_model *m, es_node *n);
ES_SMALL es_status es_depthwise_conv_check(es_model *m, es_node *n);
ES_SMALL es_status es_fully_connected_check(es_model *m, es_node *n);
ES_SMALL es_status es_pool_check(es_model *m, es_node *n);
ES_SMALL es_status es_reshape_check(es_model *m, es_node *n);
ES_SMALL es_status es_softmax_check(es_model *m, es_node *n);
ES_SMALL es_status es_add_check(es_model *m, es_node *n);
ES_SMALL es_status es_relu_check(es_model *m, es_node *n);
ES_SMALL es_status es_relu6_check(es_model *m, es_node *n);
ES_SMALL es_status es_pad_check(es_model *m, es_node *n);
ES_SMALL es_status es_mean_check(es_model *m, es_node *n);

ES_SMALL void es_conv_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_depthwise_conv_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_fully_connected_run(const es_model *m, const es_node *n, es_rows rows);
void es_average_pool_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_max_pool_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_reshape_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_softmax_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_add_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_relu_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_relu6_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_pad_run(const es_model *m, const es_node *n, es_rows rows);
ES_SMALL void es_mean_run(const es_model *m, const es_node *n, es_rows rows);

#endif
