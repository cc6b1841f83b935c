/* Any bytes as a model: opened, its card read, loaded, and run where that is
 * cheap. What is accepted must answer, and the same whatever was in the arena. */
#include <stdlib.h>
#include <string.h>

#include "core/card.h"
#include "core/model.h"
#include "core/operators.h"

enum { WORK_MAX = 1000000, ARENA_MAX = 1 << 20, ELEMENTS_MAX = 1 << 16 };

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
        const bool is_window = n->operator_->rule == ES_WINDOW && n->operator_->macs == NULL;

        total += (uint64_t)m->tensors[n->output].elements *
                 (is_window ? (uint64_t)n->u.window.filter_h * (uint64_t)n->u.window.filter_w : 1);
        total += m->tensors[n->inputs[0]].elements;
    }
    return total;
}

static void answer(int8_t *output, uint8_t filling)
{
    const uint32_t in = model.tensors[model.input].elements;
    const uint32_t out = model.tensors[model.output].elements;
    /* Blocks of exactly these sizes: a byte too far is seen. */
    uint8_t *arena = malloc(model.arena_size);
    int8_t *input = malloc(in);
    uint32_t i;

    if (arena == NULL || input == NULL) {
        abort();
    }
    memset(arena, filling, model.arena_size);
    for (i = 0; i < in; i++) {
        input[i] = (int8_t)(uint8_t)(i * 89 + (i >> 3));
    }
    if (es_model_load(&model, arena, model.arena_size) != ES_OK ||
        es_model_run(&model, input, in, output, out) != ES_OK) {
        abort();
    }
    free(arena);
    free(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int8_t *answers[2];
    uint32_t out;

    if (es_model_open(&model, data, size) != ES_OK) {
        return 0;
    }
    (void)es_card_read(&card, &model);
    out = model.tensors[model.output].elements;
    if (model.arena_size > ARENA_MAX || model.tensors[model.input].elements > ELEMENTS_MAX || out > ELEMENTS_MAX ||
        work(&model) > WORK_MAX) {
        return 0;
    }
    answers[0] = malloc(out);
    answers[1] = malloc(out);
    if (answers[0] == NULL || answers[1] == NULL) {
        abort();
    }
    answer(answers[0], 0x00);
    answer(answers[1], 0xa5);
    if (memcmp(answers[0], answers[1], out) != 0) {
        abort();
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
