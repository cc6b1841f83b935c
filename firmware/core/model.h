/* An int8 .tflite model, read in place from flash, and its preparation.
 *
 * es_model_open checks the whole file and plans the memory; from then on the
 * arena's size is known and nothing about the file can fail any more.
 * es_model_load fills the arena's constants; es_model_run computes. The file's
 * bytes and the arena must stay where they are. No heap, no globals: as many
 * models may be open as there is memory for. */
#ifndef ES_MODEL_H
#define ES_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"
#include "flatbuffer.h"
#include "quantise.h"

#ifndef ES_MODEL_TENSORS
#define ES_MODEL_TENSORS 192
#endif
#ifndef ES_MODEL_NODES
#define ES_MODEL_NODES 80
#endif
#define ES_MODEL_RANK 4
#define ES_NODE_INPUTS 3
#define ES_ARENA_ALIGNMENT 4

/* Tensor element types, by TensorFlow Lite's numbers. */
enum { ES_TYPE_INT32 = 2, ES_TYPE_INT8 = 9 };

typedef struct {
    const uint8_t *constant; /* in the file, or NULL; not necessarily aligned */
    uint32_t elements;
    uint16_t shape[ES_MODEL_RANK]; /* of `rank` dimensions, the rest 1 */
    es_fb_vector scales;
    float scale;    /* the first one */
    int16_t writer; /* node that writes it; -1 none */
    int8_t zero_point;
    int8_t quantised_dimension; /* where there are several scales */
    uint8_t rank;
    uint8_t type;
} es_tensor;

/* Where a tensor that is computed, or the model's input, lies. */
typedef struct {
    int32_t offset;   /* in the arena */
    int16_t shares;   /* tensor on whose memory it lies; -1 its own */
    int16_t last_use; /* node that reads it last, by any name; ES_MODEL_NODES after all */
} es_place;

/* Where a window operator reads: sizes in elements, padding at top and left. */
typedef struct {
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t filter_h, filter_w;
    int32_t pad_top, pad_left;
    int32_t depth_multiplier;
} es_window;

struct es_operator;

typedef struct {
    const struct es_operator *operator_;
    es_fb_table options;
    int16_t inputs[ES_NODE_INPUTS]; /* tensor numbers; -1 absent */
    int16_t output;
    int32_t low, high;      /* fused activation as int8 limits */
    uint32_t persistent;    /* offset in the arena of per-channel constants */
    uint32_t channels;      /* number of per-channel requantisers */
    uint32_t scratch_size;  /* bytes of the arena that the kernel needs while it runs */
    int32_t scratch;        /* their offset */
    es_place place;         /* of the output */
    uint16_t block;         /* output rows that are computed together; at least 1 */
    uint16_t head, tail;    /* a hop of a stream computes the output's rows before `head` and from `tail` on ... */
    uint16_t shift;         /* ... and takes the others from so many rows later; 0 where nothing is kept */
    bool reversible;        /* `backward` may be set */
    bool backward;          /* blocks are computed from the last to the first */
    es_requantiser scaling; /* per-tensor; the output's for ADD */
    union {
        es_window window;
        struct {
            es_requantiser input[2];
        } add;
        struct {
            int32_t difference_minimum;
        } softmax;
        struct {
            int32_t before[ES_MODEL_RANK];
        } pad;
        struct {
            uint8_t reduced; /* bit d: dimension d is averaged away */
            uint32_t count;  /* values a mean */
        } mean;
    } u;
} es_node;

typedef struct {
    es_flatbuffer file;
    es_fb_vector metadata;
    es_fb_vector buffers;
    uint16_t tensor_count;
    uint16_t node_count;
    int16_t input;
    int16_t output;
    es_place input_place;
    uint32_t arena_size; /* all bytes of the arena */
    uint8_t *arena;
    uint16_t frames; /* of a stream, that the input holds; 0 where single clips are answered, see incremental.h */
    uint16_t hop;    /* frames between two answers */
    uint16_t added;  /* frames since the last answer */
    bool stale;      /* what is kept of the last hop is not to be used */
    int16_t fault_node; /* operator at which opening failed; -1 elsewhere */
    es_tensor tensors[ES_MODEL_TENSORS];
    es_node nodes[ES_MODEL_NODES];
} es_model;

/* Reads and checks a model file and plans its arena. */
ES_SMALL es_status es_model_open(es_model *m, const uint8_t *data, size_t size);

/* Fills the arena's constants; the arena must be aligned to ES_ARENA_ALIGNMENT. */
ES_SMALL es_status es_model_load(es_model *m, void *arena, size_t size);

/* Computes the output from `input`; sizes are checked. After es_model_load. */
es_status es_model_run(es_model *m, const int8_t *input, size_t input_size, int8_t *output, size_t output_size);

/* Multiply-accumulates of one inference. */
ES_SMALL uint64_t es_model_macs(const es_model *m);

/* The bytes of a metadata entry, by name; false if there is none. */
ES_SMALL bool es_model_metadata(es_model *m, const char *name, const uint8_t **data, size_t *size);

/* For kernels: plans one requantiser an output channel of a node with weights. */
ES_SMALL es_status es_node_plan_channels(es_model *m, es_node *n, uint32_t channels);

/* Rows of a node's output: the size of dimension 1. */
int32_t es_node_rows(const es_model *m, const es_node *n);

/* A tensor's values while running. */
int8_t *es_model_values(const es_model *m, int16_t tensor);

/* The memory that a kernel asked for by n->scratch_size, aligned to
 * ES_ARENA_ALIGNMENT; its contents are lost between runs. */
void *es_node_scratch(const es_model *m, const es_node *n);

/* The per-channel multipliers and shifts of a node, in the arena. */
const int32_t *es_node_multipliers(const es_model *m, const es_node *n);
const int8_t *es_node_shifts(const es_model *m, const es_node *n);

#endif
