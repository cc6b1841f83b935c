/* libearshot.so: the firmware's features and inference for other programs. */
#ifndef ES_PORT_HOST_LIB_H
#define ES_PORT_HOST_LIB_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t input_size;
    uint32_t output_size;
    uint32_t arena_size;
    uint32_t operators;
    float input_scale;
    int32_t input_zero_point;
    float output_scale;
    int32_t output_zero_point;
    char card[1024];
    int32_t fault_operator; /* place of the operator for which a model is refused; -1 none */
} es_lib_model_info;

/* Writes the id of the front end at a place of the firmware's list, from 0 on,
 * NUL-terminated; bytes written, 0 past the list's end, or -ES_ERR_ARGUMENT. */
int es_lib_frontend_id(size_t index, char *out, size_t size);

/* 16,000 samples to features by the front end with an id; `size` is that of a
 * clip's features, frames times channels. 0 or an ES_ERR_ code. */
int es_lib_features(const char *frontend, const int16_t *samples, size_t count, int8_t *features, size_t size);

/* Checks a model and describes it; of a refused one only the operator at fault.
 * `card` is empty where the model has none. */
int es_lib_model_check(const uint8_t *model, size_t size, es_lib_model_info *info);

/* One inference; 0 or an ES_ERR_ code. Safe to call from several threads. */
int es_lib_infer(const uint8_t *model, size_t size, const int8_t *input, size_t input_size, int8_t *output,
                 size_t output_size);

/* Scores after every `hop` new frames of a stream that begins with a window of
 * silence. `features` holds `count` frames of `channels` values; `scores` takes
 * count / hop rows of `output_size`. `incremental` chooses between computing what
 * is new, as boards do, and everything at each hop: no byte differs. 0 or an
 * ES_ERR_ code. */
int es_lib_stream(const uint8_t *model, size_t size, const int8_t *features, size_t count, size_t channels, size_t hop,
                  int incremental, int8_t *scores, size_t output_size);

/* The sentence for a code. */
const char *es_lib_error(int code);

#endif
