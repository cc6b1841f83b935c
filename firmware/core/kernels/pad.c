/* PAD, int8, by constant amounts, with the value that stands for 0. */
#include <string.h>

#include "../operators.h"

es_status es_pad_check(es_model *m, es_node *n)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *amounts = &m->tensors[n->inputs[1]];
    const es_tensor *out = &m->tensors[n->output];
    int d;

    if (in->type != ES_TYPE_INT8 || amounts->type != ES_TYPE_INT32 || amounts->constant == NULL) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    if (amounts->elements != 2u * in->rank || out->rank != in->rank) {
        return ES_ERR_OPERATOR_SHAPE;
    }
    for (d = 0; d < in->rank; d++) {
        const int32_t before = es_load_i32(amounts->constant + 8 * d);
        const int32_t after = es_load_i32(amounts->constant + 8 * d + 4);

        if (before < 0 || after < 0 || (int64_t)before + after + in->shape[d] != out->shape[d]) {
            return ES_ERR_OPERATOR_SHAPE;
        }
        n->u.pad.before[d] = before;
    }
    return ES_OK;
}

void es_pad_run(const es_model *m, const es_node *n, es_rows rows)
{
    const es_tensor *in = &m->tensors[n->inputs[0]];
    const es_tensor *out = &m->tensors[n->output];
    const int8_t *x = es_model_values(m, n->inputs[0]);
    int8_t *y = es_model_values(m, n->output);
    /* The last dimension's values stay together; one of rank 0 has one value. */
    const int last = in->rank > 0 ? in->rank - 1 : 0;
    const uint32_t run = (uint32_t)in->shape[last];
    uint32_t i;

    (void)rows;
    memset(y, out->zero_point, out->elements);
    for (i = 0; i < in->elements; i += run) {
        uint32_t rest = i / run;
        uint32_t stride = (uint32_t)out->shape[last];
        uint32_t at = (uint32_t)n->u.pad.before[last];
        int d;

        for (d = last - 1; d >= 0; d--) {
            at += (rest % (uint32_t)in->shape[d] + (uint32_t)n->u.pad.before[d]) * stride;
            rest /= (uint32_t)in->shape[d];
            stride *= (uint32_t)out->shape[d];
        }
        memcpy(y + at, x + i, run);
    }
}
