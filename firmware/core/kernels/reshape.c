/* RESHAPE: the output is the input's memory under another shape, nothing is
 * copied. The output tensor's own shape is what counts; the operand that
 * repeats it may be absent. */
#include "../operators.h"

es_status es_reshape_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    es_tensor *out = &m->tensors[n->output];

    if (in->type != ES_TYPE_INT8 || (n->inputs[1] >= 0 && m->tensors[n->inputs[1]].type != ES_TYPE_INT32)) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    if (in->elements != out->elements) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    if (in->constant != NULL) {
        out->constant = in->constant; /* its memory is the file's */
    } else {
        n->place.shares = n->inputs[0];
    }
    return ES_OK;
}

void es_reshape_run(const es_model *m, const es_node *n, es_rows rows)
{
    (void)m;
    (void)n;
    (void)rows;
}
