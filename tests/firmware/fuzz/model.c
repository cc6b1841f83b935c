/* Any bytes as a model: opened, its card read, loaded, and run where that is
 * cheap. What is accepted must answer, the same whatever was in the arena, and
 * hop by hop of a stream as on the whole window. */
#include <stdlib.h>
#include <string.h>

#include "core/card.h"
#include "core/incremental.h"
#include "core/model.h"
#include "core/operators.h"

enum { WORK_MAX = 1000000, ARENA_MAX = 1 << 20, ELEMENTS_MAX = 1 << 16, HOPS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static es_model model;
static es_card card;

/* Elementary steps of a run, about. */
static uint64_t work(const es_model *m)
{
    uint64_t total = es_model_macs(m);
    uint16_t i;

    for (i = 0; i < m->node_count; i++) {
        const es_node *n = &m->nodes[i];
        const bool is_window = n->operator_->rule == ES_WINDOW && es_operator_macs(m, n) == 0;

        total += (uint64_t)m->tensors[n->output].elements *
                 (is_window ? (uint64_t)n->u.window.filter_h * (uint64_t)n->u.window.filter_w : 1);
        total += m->tensors[n->inputs[0]].elements;
    }
    return total;
}

/* The window of a stream that began in silence, after so many frames of this signal. */
static void fill(int8_t *input, uint32_t size, uint32_t moved)
{
    uint32_t i;

    for (i = 0; i < size; i++) {
        const uint32_t at = i + moved;

        input[i] = at < size ? -128 : (int8_t)(uint8_t)((at - size) * 89 + ((at - size) >> 3));
    }
}

/* A block of exactly this size, where a byte too far is seen. */
static void *block(size_t size, uint8_t filling)
{
    void *p = malloc(size);

    if (p == NULL) {
        abort();
    }
    memset(p, filling, size);
    return p;
}

static void answer(int8_t *output, uint8_t filling)
{
    const uint32_t in = model.tensors[model.input].elements;
    uint8_t *arena = block(model.arena_size, filling);
    int8_t *input = block(in, 0);

    fill(input, in, HOPS * model.hop * (in / (model.frames > 0 ? model.frames : 1)));
    if (es_model_load(&model, arena, model.arena_size) != ES_OK ||
        es_model_run(&model, input, in, output, model.tensors[model.output].elements) != ES_OK) {
        abort();
    }
    free(arena);
    free(input);
}

/* The answer after HOPS hops. */
static void listen(int8_t *output)
{
    const uint32_t in = model.tensors[model.input].elements;
    const uint32_t frame = in / model.frames;
    uint8_t *arena = block(model.arena_size, 0x5a);
    int8_t *input = block(in, 0);
    bool answered;
    uint32_t i;
    uint16_t k;

    if (es_model_load(&model, arena, model.arena_size) != ES_OK) {
        abort();
    }
    es_incremental_reset(&model, -128);
    for (i = 1; i <= HOPS; i++) {
        fill(input, in, i * model.hop * frame);
        for (k = model.hop; k > 0; k--) {
            if (es_incremental_push(&model, input + in - k * frame, &answered, output,
                                    model.tensors[model.output].elements) != ES_OK ||
                answered != (k == 1)) {
                abort();
            }
        }
    }
    free(arena);
    free(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const es_tensor *in;
    int8_t *answers[2];
    uint32_t out;

    if (es_model_open(&model, data, size) != ES_OK) {
        return 0;
    }
    (void)es_card_read(&card, &model);
    in = &model.tensors[model.input];
    out = model.tensors[model.output].elements;
    if (model.arena_size > ARENA_MAX || in->elements > ELEMENTS_MAX || out > ELEMENTS_MAX || work(&model) > WORK_MAX) {
        return 0;
    }
    answers[0] = block(out, 0);
    answers[1] = block(out, 1);
    answer(answers[0], 0x00);
    answer(answers[1], 0xa5);
    if (memcmp(answers[0], answers[1], out) != 0) {
        abort();
    }
    /* Room for all that can be kept, or for some of it. */
    if (in->rank > 1 && in->shape[1] <= UINT16_MAX &&
        es_incremental_plan(&model, (uint16_t)in->shape[1], (uint16_t)(1 + size % 3),
                            size % 2 == 0 ? ARENA_MAX : model.arena_size + 64) == ES_OK &&
        model.arena_size <= ARENA_MAX) {
        answer(answers[0], 0x5a);
        listen(answers[1]);
        if (memcmp(answers[0], answers[1], out) != 0) {
            abort();
        }
    }
    free(answers[0]);
    free(answers[1]);
    return 0;
}

/* FlatBuffers are made of little-endian words on a grid of four bytes: every
 * other mutation changes one of them as a whole. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const uint32_t values[] = {0, 1, 2, 3, 4, 5, 8, 9, 16, 127, 128, 255, 32767, 65535, 65536, 1 << 24,
                                      0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff, 0x3f800000, 0x7f800000};
    size_t at;
    uint32_t word;

    srand(seed);
    if (size < 16 || rand() % 2 == 0) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    at = (size_t)rand() % (size / 4) * 4;
    memcpy(&word, data + at, 4);
    switch (rand() % 4) {
    case 0:
        word = values[(size_t)rand() % (sizeof values / sizeof values[0])];
        break;
    case 1:
        word += (uint32_t)(rand() % 33) - 16;
        break;
    case 2:
        memcpy(&word, data + (size_t)rand() % (size / 4) * 4, 4);
        break;
    default:
        word ^= 1u << (rand() % 32);
        break;
    }
    memcpy(data + at, &word, 4);
    return size;
}
