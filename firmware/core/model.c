#include "model.h"

#include <string.h>

#include "operators.h"
#include "planner.h"

/* Field numbers of TensorFlow Lite's schema, version 3. */
enum {
    MODEL_VERSION = 0,
    MODEL_OPERATOR_CODES = 1,
    MODEL_SUBGRAPHS = 2,
    MODEL_BUFFERS = 4,
    MODEL_METADATA = 6,
    CODE_DEPRECATED_BUILTIN = 0,
    CODE_CUSTOM = 1,
    CODE_VERSION = 2,
    CODE_BUILTIN = 3,
    SUBGRAPH_TENSORS = 0,
    SUBGRAPH_INPUTS = 1,
    SUBGRAPH_OUTPUTS = 2,
    SUBGRAPH_OPERATORS = 3,
    TENSOR_SHAPE = 0,
    TENSOR_TYPE = 1,
    TENSOR_BUFFER = 2,
    TENSOR_QUANTISATION = 4,
    TENSOR_IS_VARIABLE = 5,
    TENSOR_SPARSITY = 6,
    QUANTISATION_SCALE = 2,
    QUANTISATION_ZERO_POINT = 3,
    QUANTISATION_DIMENSION = 6,
    OPERATOR_CODE = 0,
    OPERATOR_INPUTS = 1,
    OPERATOR_OUTPUTS = 2,
    OPERATOR_OPTIONS_TYPE = 3,
    OPERATOR_OPTIONS = 4,
    BUFFER_DATA = 0,
    BUFFER_OFFSET = 1,
    METADATA_NAME = 0,
    METADATA_BUFFER = 1
};

enum {
    SCHEMA_VERSION = 3,
    BUILTIN_PLACEHOLDER = 127,
    /* No tensor of a model in a 256 KB slot on a 1 MB board is larger. */
    ELEMENTS_MAX = 1 << 24
};

static es_fb_vector buffer_data(es_model *m, uint32_t index)
{
    const es_fb_vector none = {0, 0};
    es_fb_table buffer = es_fb_table_in(&m->file, m->buffers, index);

    if (es_fb_u64(&m->file, buffer, BUFFER_OFFSET, 0) > 1) {
        /* Data behind the flatbuffer itself: made for files above 2 GB only. */
        m->file.status = ES_ERR_MODEL_BUFFER;
        return none;
    }
    return es_fb_vector_at(&m->file, buffer, BUFFER_DATA, 1);
}

static es_status read_shape(es_model *m, es_tensor *t, es_fb_table table)
{
    es_fb_vector shape = es_fb_vector_at(&m->file, table, TENSOR_SHAPE, 4);
    uint64_t elements = 1;
    uint32_t d;

    if (shape.count > ES_MODEL_RANK) {
        return ES_ERR_MODEL_LIMIT;
    }
    t->rank = (uint8_t)shape.count;
    for (d = 0; d < ES_MODEL_RANK; d++) {
        const int32_t size = d < shape.count ? es_fb_i32_in(&m->file, shape, d) : 1;

        if (size < 1 || size > UINT16_MAX) {
            return m->file.status != ES_OK ? m->file.status : ES_ERR_MODEL_SHAPE;
        }
        t->shape[d] = (uint16_t)size;
        elements *= (uint64_t)size;
        if (elements > ELEMENTS_MAX) {
            return ES_ERR_MODEL_SHAPE;
        }
    }
    t->elements = (uint32_t)elements;
    return ES_OK;
}

static bool scale_is_usable(float scale)
{
    return scale > 0.0f && scale < 1e30f; /* false for NaN too */
}

static es_status read_quantisation(es_model *m, es_tensor *t, es_fb_table table)
{
    es_fb_table q = es_fb_subtable(&m->file, table, TENSOR_QUANTISATION);
    es_fb_vector zero_points = es_fb_vector_at(&m->file, q, QUANTISATION_ZERO_POINT, 8);
    const int32_t dimension = es_fb_i32(&m->file, q, QUANTISATION_DIMENSION, 0);
    uint32_t i;

    t->scales = es_fb_vector_at(&m->file, q, QUANTISATION_SCALE, 4);
    if (m->file.status != ES_OK) {
        return m->file.status;
    }
    if (t->type != ES_TYPE_INT8) {
        return ES_OK; /* a bias's scale follows from its operator's tensors */
    }
    if (t->scales.count == 0 || (zero_points.count != t->scales.count && zero_points.count != 0)) {
        return ES_ERR_MODEL_QUANTISATION;
    }
    for (i = 0; i < t->scales.count; i++) {
        int64_t zero_point = zero_points.count == 0 ? 0 : es_fb_i64_in(&m->file, zero_points, i);

        if (!scale_is_usable(es_fb_f32_in(&m->file, t->scales, i)) || zero_point < -128 || zero_point > 127 ||
            (t->scales.count > 1 && zero_point != 0)) {
            return ES_ERR_MODEL_QUANTISATION;
        }
        t->zero_point = (int8_t)zero_point;
    }
    t->scale = es_fb_f32_in(&m->file, t->scales, 0);
    if (t->scales.count > 1) {
        if (dimension < 0 || dimension >= t->rank || t->scales.count != (uint32_t)t->shape[dimension]) {
            return ES_ERR_MODEL_QUANTISATION;
        }
        t->quantised_dimension = (int8_t)dimension;
    }
    return ES_OK;
}

static es_status read_tensor(es_model *m, es_tensor *t, es_fb_table table)
{
    uint32_t buffer = es_fb_u32(&m->file, table, TENSOR_BUFFER, 0);
    es_fb_vector data = {0, 0};
    es_status status;

    memset(t, 0, sizeof *t);
    t->writer = -1;
    t->type = (uint8_t)es_fb_i8(&m->file, table, TENSOR_TYPE, 0);
    if ((t->type != ES_TYPE_INT8 && t->type != ES_TYPE_INT32) || es_fb_has(&m->file, table, TENSOR_SPARSITY) ||
        es_fb_i8(&m->file, table, TENSOR_IS_VARIABLE, 0) != 0) {
        return m->file.status != ES_OK ? m->file.status : ES_ERR_MODEL_TYPE;
    }
    status = read_shape(m, t, table);
    if (status != ES_OK) {
        return status;
    }
    status = read_quantisation(m, t, table);
    if (status != ES_OK) {
        return status;
    }
    if (buffer != 0) {
        data = buffer_data(m, buffer);
    }
    if (data.count != 0) {
        if (data.count != t->elements * (t->type == ES_TYPE_INT32 ? 4u : 1u)) {
            return ES_ERR_MODEL_BUFFER;
        }
        t->constant = m->file.data + data.position;
    }
    return m->file.status;
}

static es_status read_tensors(es_model *m, es_fb_table graph)
{
    es_fb_vector tensors = es_fb_vector_at(&m->file, graph, SUBGRAPH_TENSORS, 4);
    uint32_t i;

    if (tensors.count > ES_MODEL_TENSORS) {
        return ES_ERR_MODEL_LIMIT;
    }
    m->tensor_count = (uint16_t)tensors.count;
    for (i = 0; i < tensors.count; i++) {
        es_fb_table table = es_fb_table_in(&m->file, tensors, i);
        es_status status = read_tensor(m, &m->tensors[i], table);

        if (status != ES_OK) {
            return status;
        }
    }
    return m->file.status;
}

/* The graph's only input or output. */
static es_status read_end(es_model *m, es_fb_table graph, unsigned id, int16_t *tensor)
{
    es_fb_vector ends = es_fb_vector_at(&m->file, graph, id, 4);
    int32_t index = es_fb_i32_in(&m->file, ends, 0);

    if (m->file.status != ES_OK && ends.count != 0) {
        return m->file.status;
    }
    if (ends.count != 1 || index < 0 || index >= m->tensor_count || m->tensors[index].constant != NULL ||
        m->tensors[index].type != ES_TYPE_INT8 || m->tensors[index].scales.count != 1) {
        return ES_ERR_MODEL_IO;
    }
    *tensor = (int16_t)index;
    return ES_OK;
}

static es_status find_operator(es_model *m, es_fb_vector codes, uint32_t index, es_node *n)
{
    es_fb_table code = es_fb_table_in(&m->file, codes, index);
    int32_t builtin = es_fb_i32(&m->file, code, CODE_BUILTIN, 0);
    int32_t deprecated = es_fb_i8(&m->file, code, CODE_DEPRECATED_BUILTIN, 0);
    int32_t version = es_fb_i32(&m->file, code, CODE_VERSION, 1);

    if (es_fb_has(&m->file, code, CODE_CUSTOM) && m->file.status == ES_OK) {
        return ES_ERR_OPERATOR_UNSUPPORTED;
    }
    if (m->file.status != ES_OK) {
        return m->file.status;
    }
    /* Old writers know only the 8-bit field, new ones put 127 there. */
    if (deprecated != BUILTIN_PLACEHOLDER && deprecated > builtin) {
        builtin = deprecated;
    }
    n->operator_ = es_operator_find(builtin);
    if (n->operator_ == NULL) {
        return ES_ERR_OPERATOR_UNSUPPORTED;
    }
    return version < 1 || version > n->operator_->max_version ? ES_ERR_OPERATOR_VERSION : ES_OK;
}

static es_status read_inputs(es_model *m, es_node *n, es_fb_vector inputs)
{
    uint32_t i;

    if (inputs.count < n->operator_->min_inputs || inputs.count > n->operator_->max_inputs) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    for (i = 0; i < ES_NODE_INPUTS; i++) {
        int32_t tensor = i < inputs.count ? es_fb_i32_in(&m->file, inputs, i) : -1;

        if (tensor < -1 || tensor >= m->tensor_count || (tensor == -1 && i < n->operator_->min_inputs)) {
            return ES_ERR_OPERATOR_INPUTS;
        }
        n->inputs[i] = (int16_t)tensor;
        if (tensor >= 0) {
            const es_tensor *t = &m->tensors[tensor];

            if (t->constant == NULL && t->writer < 0 && tensor != m->input) {
                return ES_ERR_MODEL_ORDER;
            }
        }
    }
    return ES_OK;
}

static es_status read_output(es_model *m, es_node *n, es_fb_vector outputs, int16_t index)
{
    int32_t tensor = outputs.count == 1 ? es_fb_i32_in(&m->file, outputs, 0) : -1;

    if (tensor < 0 || tensor >= m->tensor_count || m->tensors[tensor].constant != NULL ||
        m->tensors[tensor].type != ES_TYPE_INT8 || m->tensors[tensor].scales.count != 1) {
        return ES_ERR_OPERATOR_INPUTS;
    }
    if (m->tensors[tensor].writer >= 0 || tensor == m->input) {
        return ES_ERR_MODEL_ORDER;
    }
    n->output = (int16_t)tensor;
    m->tensors[tensor].writer = index;
    return ES_OK;
}

static es_status read_node(es_model *m, es_fb_table table, es_fb_vector codes, int16_t index)
{
    es_node *n = &m->nodes[index];
    uint8_t kind = (uint8_t)es_fb_i8(&m->file, table, OPERATOR_OPTIONS_TYPE, 0);
    es_fb_vector inputs = es_fb_vector_at(&m->file, table, OPERATOR_INPUTS, 4);
    es_fb_vector outputs = es_fb_vector_at(&m->file, table, OPERATOR_OUTPUTS, 4);
    es_status status;

    memset(n, 0, sizeof *n);
    n->low = -128;
    n->high = 127;
    n->block = 1;
    n->place.shares = -1;
    status = find_operator(m, codes, es_fb_u32(&m->file, table, OPERATOR_CODE, 0), n);
    if (status != ES_OK) {
        return status;
    }
    if (n->operator_->options != 0) {
        n->options = es_fb_subtable(&m->file, table, OPERATOR_OPTIONS);
        /* Some writers leave a table out that would have defaults only. */
        if (m->file.status != ES_OK || (kind != n->operator_->options && (kind != 0 || n->options.position != 0))) {
            return m->file.status != ES_OK ? m->file.status : ES_ERR_OPERATOR_OPTIONS;
        }
    }
    status = read_inputs(m, n, inputs);
    if (status != ES_OK) {
        return status;
    }
    status = read_output(m, n, outputs, index);
    if (status != ES_OK) {
        return status;
    }
    status = n->operator_->check(m, n);
    return status != ES_OK ? status : m->file.status;
}

static es_status read_nodes(es_model *m, es_fb_table graph, es_fb_vector codes)
{
    es_fb_vector nodes = es_fb_vector_at(&m->file, graph, SUBGRAPH_OPERATORS, 4);
    uint32_t i;

    if (nodes.count > ES_MODEL_NODES) {
        return ES_ERR_MODEL_LIMIT;
    }
    m->node_count = (uint16_t)nodes.count;
    for (i = 0; i < nodes.count; i++) {
        es_fb_table table = es_fb_table_in(&m->file, nodes, i);
        es_status status;

        m->fault_node = (int16_t)i;
        status = read_node(m, table, codes, (int16_t)i);
        if (status != ES_OK) {
            return status;
        }
    }
    m->fault_node = -1;
    return m->file.status;
}

es_status es_model_open(es_model *m, const uint8_t *data, size_t size)
{
    es_fb_table root;
    es_fb_table graph;
    es_fb_vector codes;
    es_fb_vector subgraphs;
    es_status status;

    memset(m, 0, sizeof *m);
    m->fault_node = -1;
    if (data == NULL) {
        return ES_ERR_ARGUMENT;
    }
    root = es_fb_open(&m->file, data, size, "TFL3");
    if (m->file.status == ES_OK && es_fb_u32(&m->file, root, MODEL_VERSION, 0) != SCHEMA_VERSION) {
        return ES_ERR_MODEL_VERSION;
    }
    codes = es_fb_vector_at(&m->file, root, MODEL_OPERATOR_CODES, 4);
    subgraphs = es_fb_vector_at(&m->file, root, MODEL_SUBGRAPHS, 4);
    m->buffers = es_fb_vector_at(&m->file, root, MODEL_BUFFERS, 4);
    m->metadata = es_fb_vector_at(&m->file, root, MODEL_METADATA, 4);
    if (m->file.status == ES_OK && subgraphs.count != 1) {
        return ES_ERR_MODEL_SUBGRAPHS;
    }
    graph = es_fb_table_in(&m->file, subgraphs, 0);
    if (m->file.status != ES_OK) {
        return m->file.status;
    }
    status = read_tensors(m, graph);
    if (status != ES_OK) {
        return status;
    }
    status = read_end(m, graph, SUBGRAPH_INPUTS, &m->input);
    if (status != ES_OK) {
        return status;
    }
    status = read_end(m, graph, SUBGRAPH_OUTPUTS, &m->output);
    if (status != ES_OK) {
        return status;
    }
    status = read_nodes(m, graph, codes);
    if (status != ES_OK) {
        return status;
    }
    if (m->tensors[m->output].writer < 0) {
        return ES_ERR_MODEL_ORDER;
    }
    es_plan_arena(m);
    return ES_OK;
}

/* The requantiser from accumulator to output of one channel. */
static bool channel_requantiser(es_model *m, const es_node *n, uint32_t channel, es_requantiser *out)
{
    const es_tensor *weights = &m->tensors[n->inputs[1]];
    const uint32_t at = weights->scales.count == 1 ? 0 : channel;

    return es_requantiser_from(m->tensors[n->inputs[0]].scale, es_fb_f32_in(&m->file, weights->scales, at),
                               m->tensors[n->output].scale, 0, out);
}

es_status es_node_plan_channels(es_model *m, es_node *n, uint32_t channels)
{
    const es_fb_vector scales = m->tensors[n->inputs[1]].scales;
    es_requantiser unused;
    float largest = 0.0f;
    uint32_t channel = 0;
    uint32_t c;

    /* Only a multiplier that is too large is refused. */
    for (c = 0; c < scales.count; c++) {
        const float scale = es_fb_f32_in(&m->file, scales, c);

        if (scale > largest) {
            largest = scale;
            channel = c;
        }
    }
    if (!channel_requantiser(m, n, channel, &unused)) {
        return ES_ERR_MODEL_QUANTISATION;
    }
    n->channels = channels;
    return ES_OK;
}

void *es_node_scratch(const es_model *m, const es_node *n)
{
    return m->arena + n->scratch;
}

const int32_t *es_node_multipliers(const es_model *m, const es_node *n)
{
    return (const int32_t *)(const void *)(m->arena + n->persistent);
}

const int8_t *es_node_shifts(const es_model *m, const es_node *n)
{
    return (const int8_t *)(m->arena + n->persistent + 4 * n->channels);
}

es_status es_model_load(es_model *m, void *arena, size_t size)
{
    uint16_t i;

    if (arena == NULL || size < m->arena_size || (uintptr_t)arena % ES_ARENA_ALIGNMENT != 0) {
        return ES_ERR_ARENA;
    }
    m->arena = arena;
    m->stale = true;
    for (i = 0; i < m->node_count; i++) {
        const es_node *n = &m->nodes[i];
        int32_t *multipliers = (int32_t *)(void *)(m->arena + n->persistent);
        int8_t *shifts = (int8_t *)(m->arena + n->persistent + 4 * n->channels);
        uint32_t c;

        for (c = 0; c < n->channels; c++) {
            es_requantiser r = {0, 0};

            (void)channel_requantiser(m, n, c, &r); /* checked when the model was opened */
            multipliers[c] = r.multiplier;
            shifts[c] = r.shift;
        }
    }
    return ES_OK;
}

int32_t es_node_rows(const es_model *m, const es_node *n)
{
    const es_tensor *out = &m->tensors[n->output];

    return out->rank > 1 ? out->shape[1] : 1;
}

int8_t *es_model_values(const es_model *m, int16_t tensor)
{
    const es_tensor *t = &m->tensors[tensor];

    if (t->constant != NULL) {
        return (int8_t *)(uintptr_t)t->constant; /* kernels write outputs only, which are never constant */
    }
    return (int8_t *)m->arena + (t->writer < 0 ? &m->input_place : &m->nodes[t->writer].place)->offset;
}

es_status es_model_run(es_model *m, const int8_t *input, size_t input_size, int8_t *output, size_t output_size)
{
    uint16_t i;

    if (m->arena == NULL) {
        return ES_ERR_ARENA;
    }
    if (input_size != m->tensors[m->input].elements) {
        return ES_ERR_INPUT_SIZE;
    }
    if (output_size != m->tensors[m->output].elements) {
        return ES_ERR_OUTPUT_SIZE;
    }
    memcpy(es_model_values(m, m->input), input, input_size);
    for (i = 0; i < m->node_count; i++) {
        const es_rows all = {0, es_node_rows(m, &m->nodes[i])};

        m->nodes[i].operator_->run(m, &m->nodes[i], all);
    }
    m->stale = false;
    m->added = 0;
    memcpy(output, es_model_values(m, m->output), output_size);
    return ES_OK;
}

uint64_t es_model_macs(const es_model *m)
{
    uint64_t total = 0;
    uint16_t i;

    for (i = 0; i < m->node_count; i++) {
        total += es_operator_macs(m, &m->nodes[i]);
    }
    return total;
}

bool es_model_metadata(es_model *m, const char *name, const uint8_t **data, size_t *size)
{
    const size_t length = strlen(name);
    uint32_t i;

    for (i = 0; i < m->metadata.count; i++) {
        es_fb_table entry = es_fb_table_in(&m->file, m->metadata, i);
        es_fb_vector key = es_fb_vector_at(&m->file, entry, METADATA_NAME, 1);
        es_fb_vector bytes;

        if (m->file.status != ES_OK || key.count != length ||
            memcmp(m->file.data + key.position, name, length) != 0) {
            continue;
        }
        bytes = buffer_data(m, es_fb_u32(&m->file, entry, METADATA_BUFFER, 0));
        *data = m->file.data + bytes.position;
        *size = bytes.count;
        return m->file.status == ES_OK && bytes.count != 0;
    }
    return false;
}
