/* Reading FlatBuffers in place, trusting no byte of them.
 *
 * A reader carries its first error: after one, every read answers zero (an
 * absent field, an empty vector), so callers may read on and look at `status`
 * where it suits them. Nothing needs to be aligned. */
#ifndef ES_FLATBUFFER_H
#define ES_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"
#include "small.h"

typedef struct {
    const uint8_t *data;
    uint32_t size;
    es_status status;
} es_flatbuffer;

/* A table whose vtable and fixed part were found to lie inside the file.
 * A table with `position` 0 is absent: all its fields have their defaults. */
typedef struct {
    uint32_t position;
    uint32_t vtable;
    uint16_t vtable_size;
    uint16_t size;
} es_fb_table;

/* A vector whose elements lie inside the file; absent is like empty. */
typedef struct {
    uint32_t position; /* of the first element */
    uint32_t count;
} es_fb_vector;

ES_SMALL uint16_t es_load_u16(const uint8_t *p);
ES_SMALL uint32_t es_load_u32(const uint8_t *p);
ES_SMALL int32_t es_load_i32(const uint8_t *p);
ES_SMALL int64_t es_load_i64(const uint8_t *p);
ES_SMALL float es_load_f32(const uint8_t *p);

/* Opens a file of at most 2^31 - 1 bytes with the given 4-byte identifier and
 * returns its root table; errors are in b->status. */
ES_SMALL es_fb_table es_fb_open(es_flatbuffer *b, const uint8_t *data, size_t size, const char *identifier);

/* Scalar fields by id; `missing` where the table does not hold the field. */
ES_SMALL int8_t es_fb_i8(es_flatbuffer *b, es_fb_table t, unsigned id, int8_t missing);
ES_SMALL int32_t es_fb_i32(es_flatbuffer *b, es_fb_table t, unsigned id, int32_t missing);
ES_SMALL uint32_t es_fb_u32(es_flatbuffer *b, es_fb_table t, unsigned id, uint32_t missing);
ES_SMALL uint64_t es_fb_u64(es_flatbuffer *b, es_fb_table t, unsigned id, uint64_t missing);
ES_SMALL float es_fb_f32(es_flatbuffer *b, es_fb_table t, unsigned id, float missing);

ES_SMALL bool es_fb_has(es_flatbuffer *b, es_fb_table t, unsigned id);
ES_SMALL es_fb_table es_fb_subtable(es_flatbuffer *b, es_fb_table t, unsigned id);

/* A vector (or string) field with elements of `width` bytes. */
ES_SMALL es_fb_vector es_fb_vector_at(es_flatbuffer *b, es_fb_table t, unsigned id, uint32_t width);

/* Elements; an index outside the vector is an error of the file, as all
 * indices come out of it. */
ES_SMALL es_fb_table es_fb_table_in(es_flatbuffer *b, es_fb_vector v, uint32_t index);
ES_SMALL int32_t es_fb_i32_in(es_flatbuffer *b, es_fb_vector v, uint32_t index);
ES_SMALL int64_t es_fb_i64_in(es_flatbuffer *b, es_fb_vector v, uint32_t index);
ES_SMALL float es_fb_f32_in(es_flatbuffer *b, es_fb_vector v, uint32_t index);

#endif
