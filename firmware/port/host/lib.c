#include "lib.h"

#include <stdlib.h>
#include <string.h>

#include "../../core/card.h"
#include "../../core/frontend.h"
#include "../../core/incremental.h"
#include "../../core/model.h"
#include "../../core/stream.h"

int es_lib_frontend_id(size_t index, char *out, size_t size)
{
    const es_frontend *f = es_frontend_at(index);
    size_t needed;

    if (f == NULL) {
        return 0;
    }
    needed = strlen(f->id()) + 1;
    if (out == NULL || size < needed) {
        return -ES_ERR_ARGUMENT;
    }
    memcpy(out, f->id(), needed);
    return (int)needed;
}

int es_lib_features(const char *frontend, const int16_t *samples, size_t count, int8_t *features, size_t size)
{
    const es_frontend *f;

    if (frontend == NULL || samples == NULL || features == NULL) {
        return ES_ERR_ARGUMENT;
    }
    f = es_frontend_find(frontend);
    if (f == NULL) {
        return ES_ERR_FRONTEND;
    }
    return (int)(size == es_frontend_features(f) ? es_frontend_clip(f, samples, count, features) : ES_ERR_OUTPUT_SIZE);
}

static void describe(es_model *m, es_lib_model_info *info)
{
    const uint8_t *card;
    size_t card_size;

    info->input_size = m->tensors[m->input].elements;
    info->output_size = m->tensors[m->output].elements;
    info->arena_size = m->arena_size;
    info->operators = m->node_count;
    info->input_scale = m->tensors[m->input].scale;
    info->input_zero_point = m->tensors[m->input].zero_point;
    info->output_scale = m->tensors[m->output].scale;
    info->output_zero_point = m->tensors[m->output].zero_point;
    if (es_model_metadata(m, "earshot", &card, &card_size) && card_size < sizeof info->card) {
        memcpy(info->card, card, card_size);
    }
}

int es_lib_model_check(const uint8_t *model, size_t size, es_lib_model_info *info)
{
    es_model *m = malloc(sizeof *m);
    es_status status;

    if (m == NULL || model == NULL || info == NULL) {
        free(m);
        return ES_ERR_ARGUMENT;
    }
    memset(info, 0, sizeof *info);
    status = es_model_open(m, model, size);
    info->fault_operator = m->fault_node;
    if (status == ES_OK) {
        describe(m, info);
        status = m->file.status;
    }
    free(m);
    return (int)status;
}

int es_lib_infer(const uint8_t *model, size_t size, const int8_t *input, size_t input_size, int8_t *output,
                 size_t output_size)
{
    es_model *m = malloc(sizeof *m);
    void *arena = NULL;
    es_status status = ES_ERR_ARGUMENT;

    if (m != NULL && model != NULL && input != NULL && output != NULL) {
        status = es_model_open(m, model, size);
    }
    if (status == ES_OK) {
        arena = malloc(m->arena_size);
        status = es_model_load(m, arena, m->arena_size);
    }
    if (status == ES_OK) {
        status = es_model_run(m, input, input_size, output, output_size);
    }
    free(arena);
    free(m);
    return (int)status;
}

/* Opens a model for a stream, in an arena of its own. */
static es_status open_stream(es_model *m, const uint8_t *model, size_t size, size_t channels, size_t hop,
                             size_t arena_size, void **arena)
{
    es_status status = es_model_open(m, model, size);
    size_t frames;

    if (status == ES_OK) {
        frames = m->tensors[m->input].elements / channels;
        status = m->tensors[m->input].elements % channels != 0 || frames > UINT16_MAX ? ES_ERR_INPUT_SIZE
                 : hop > frames                                                      ? ES_ERR_ARGUMENT
                                : es_incremental_plan(m, (uint16_t)frames, (uint16_t)hop, arena_size);
    }
    if (status == ES_OK) {
        *arena = malloc(m->arena_size);
        status = es_model_load(m, *arena, m->arena_size);
    }
    return status;
}

int es_lib_stream(const uint8_t *model, size_t size, const int8_t *features, size_t count, size_t channels, size_t hop,
                  int incremental, int8_t *scores, size_t output_size)
{
    es_model *m = malloc(sizeof *m);
    void *arena = NULL;
    es_status status = ES_ERR_ARGUMENT;
    size_t done;
    bool answered;

    if (m != NULL && model != NULL && features != NULL && scores != NULL && channels != 0 && hop != 0) {
        status = open_stream(m, model, size, channels, hop, incremental != 0 ? SIZE_MAX : 0, &arena);
    }
    if (status == ES_OK) {
        es_incremental_reset(m, ES_STREAM_SILENCE);
    }
    for (done = 0; status == ES_OK && done < count / hop * hop; done++) {
        status = es_incremental_push(m, features + done * channels, &answered, scores + done / hop * output_size,
                                     output_size);
    }
    free(arena);
    free(m);
    return (int)status;
}

const char *es_lib_error(int code)
{
    return es_error_text(code);
}
