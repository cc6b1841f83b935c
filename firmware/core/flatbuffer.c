#include "flatbuffer.h"

#include <string.h>

uint16_t es_load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

uint32_t es_load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24);
}

int32_t es_load_i32(const uint8_t *p)
{
    return (int32_t)es_load_u32(p);
}

int64_t es_load_i64(const uint8_t *p)
{
    return (int64_t)((uint64_t)es_load_u32(p) | ((uint64_t)es_load_u32(p + 4) << 32));
}

float es_load_f32(const uint8_t *p)
{
    uint32_t bits = es_load_u32(p);
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Whether [position, position + length) lies inside the file; notes the error. */
static bool inside(es_flatbuffer *b, uint32_t position, uint64_t length)
{
    if (b->status != ES_OK) {
        return false;
    }
    if (position > b->size || length > b->size - position) {
        b->status = ES_ERR_MODEL_OFFSET;
        return false;
    }
    return true;
}

/* Follows the unsigned offset stored at `position`; 0 after an error. */
static uint32_t follow(es_flatbuffer *b, uint32_t position)
{
    uint32_t offset;

    if (!inside(b, position, 4)) {
        return 0;
    }
    offset = es_load_u32(b->data + position);
    /* An offset of 0 would point at itself: writers never make one. */
    if (offset == 0 || offset > b->size - position) {
        b->status = ES_ERR_MODEL_OFFSET;
        return 0;
    }
    return position + offset;
}

static es_fb_table table_at(es_flatbuffer *b, uint32_t position)
{
    const es_fb_table absent = {0, 0, 0, 0};
    es_fb_table t = absent;
    int64_t vtable;

    if (!inside(b, position, 4)) {
        return absent;
    }
    vtable = (int64_t)position - es_load_i32(b->data + position);
    if (vtable < 0 || vtable > (int64_t)b->size || !inside(b, (uint32_t)vtable, 4)) {
        b->status = ES_ERR_MODEL_OFFSET;
        return absent;
    }
    t.position = position;
    t.vtable = (uint32_t)vtable;
    t.vtable_size = es_load_u16(b->data + t.vtable);
    t.size = es_load_u16(b->data + t.vtable + 2);
    if (t.vtable_size < 4 || t.vtable_size % 2 != 0 || t.size < 4) {
        b->status = ES_ERR_MODEL_OFFSET;
        return absent;
    }
    if (!inside(b, t.vtable, t.vtable_size) || !inside(b, t.position, t.size)) {
        return absent;
    }
    return t;
}

/* Position of a field `width` bytes wide, or 0 where it is absent. */
static uint32_t field(es_flatbuffer *b, es_fb_table t, unsigned id, uint32_t width)
{
    uint32_t entry = 4 + 2 * (uint32_t)id;
    uint16_t offset;

    if (b->status != ES_OK || t.position == 0 || entry + 2 > t.vtable_size) {
        return 0;
    }
    offset = es_load_u16(b->data + t.vtable + entry);
    if (offset == 0) {
        return 0;
    }
    if (offset < 4 || offset + width > t.size) {
        b->status = ES_ERR_MODEL_OFFSET;
        return 0;
    }
    return t.position + offset;
}

es_fb_table es_fb_open(es_flatbuffer *b, const uint8_t *data, size_t size, const char *identifier)
{
    const es_fb_table absent = {0, 0, 0, 0};

    b->data = data;
    b->size = size > INT32_MAX ? 0 : (uint32_t)size;
    b->status = ES_OK;
    if (b->size < 8) {
        b->status = ES_ERR_MODEL_TRUNCATED;
        return absent;
    }
    if (memcmp(data + 4, identifier, 4) != 0) {
        b->status = ES_ERR_MODEL_IDENTIFIER;
        return absent;
    }
    return table_at(b, follow(b, 0));
}

int8_t es_fb_i8(es_flatbuffer *b, es_fb_table t, unsigned id, int8_t missing)
{
    uint32_t at = field(b, t, id, 1);

    return at == 0 ? missing : (int8_t)b->data[at];
}

int32_t es_fb_i32(es_flatbuffer *b, es_fb_table t, unsigned id, int32_t missing)
{
    uint32_t at = field(b, t, id, 4);

    return at == 0 ? missing : es_load_i32(b->data + at);
}

uint32_t es_fb_u32(es_flatbuffer *b, es_fb_table t, unsigned id, uint32_t missing)
{
    uint32_t at = field(b, t, id, 4);

    return at == 0 ? missing : es_load_u32(b->data + at);
}

uint64_t es_fb_u64(es_flatbuffer *b, es_fb_table t, unsigned id, uint64_t missing)
{
    uint32_t at = field(b, t, id, 8);

    return at == 0 ? missing : (uint64_t)es_load_i64(b->data + at);
}

float es_fb_f32(es_flatbuffer *b, es_fb_table t, unsigned id, float missing)
{
    uint32_t at = field(b, t, id, 4);

    return at == 0 ? missing : es_load_f32(b->data + at);
}

bool es_fb_has(es_flatbuffer *b, es_fb_table t, unsigned id)
{
    return field(b, t, id, 1) != 0;
}

es_fb_table es_fb_subtable(es_flatbuffer *b, es_fb_table t, unsigned id)
{
    const es_fb_table absent = {0, 0, 0, 0};
    uint32_t at = field(b, t, id, 4);

    return at == 0 ? absent : table_at(b, follow(b, at));
}

es_fb_vector es_fb_vector_at(es_flatbuffer *b, es_fb_table t, unsigned id, uint32_t width)
{
    es_fb_vector v = {0, 0};
    uint32_t at = field(b, t, id, 4);
    uint32_t start;
    uint32_t count;

    if (at == 0) {
        return v;
    }
    start = follow(b, at);
    if (start == 0 || !inside(b, start, 4)) {
        return v;
    }
    count = es_load_u32(b->data + start);
    if (!inside(b, start + 4, (uint64_t)count * width)) {
        return v;
    }
    v.position = start + 4;
    v.count = count;
    return v;
}

/* Position of element `index`, or 0 with the error noted. */
static uint32_t element(es_flatbuffer *b, es_fb_vector v, uint32_t index, uint32_t width)
{
    if (b->status != ES_OK) {
        return 0;
    }
    if (index >= v.count) {
        b->status = ES_ERR_MODEL_OFFSET;
        return 0;
    }
    return v.position + index * width;
}

es_fb_table es_fb_table_in(es_flatbuffer *b, es_fb_vector v, uint32_t index)
{
    const es_fb_table absent = {0, 0, 0, 0};
    uint32_t at = element(b, v, index, 4);

    return at == 0 ? absent : table_at(b, follow(b, at));
}

int32_t es_fb_i32_in(es_flatbuffer *b, es_fb_vector v, uint32_t index)
{
    uint32_t at = element(b, v, index, 4);

    return at == 0 ? 0 : es_load_i32(b->data + at);
}

int64_t es_fb_i64_in(es_flatbuffer *b, es_fb_vector v, uint32_t index)
{
    uint32_t at = element(b, v, index, 8);

    return at == 0 ? 0 : es_load_i64(b->data + at);
}

float es_fb_f32_in(es_flatbuffer *b, es_fb_vector v, uint32_t index)
{
    uint32_t at = element(b, v, index, 4);

    return at == 0 ? 0.0f : es_load_f32(b->data + at);
}
