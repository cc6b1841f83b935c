/* The FlatBuffers reader on one small file and on every way to damage it by a byte. */
#include "suite.h"

#include <stdlib.h>

#include "core/flatbuffer.h"

/* A table with a number, a vector of three numbers, a byte, a table and a float. */
static const uint8_t sound[] = {
    28,  0,    0,    0,    'T',  'E', 'S', 'T',              /* 0: the root's place, the identifier */
    16,  0,    24,   0,    4,    0,   8,   0,                /* 8: vtable: its size, the table's, fields 0 and 1 */
    12,  0,    16,   0,    20,   0,   0,   0,                /* fields 2 to 4; field 5 is absent */
    0,   0,    0,    0,                                      /* 24 */
    20,  0,    0,    0,                                      /* 28: the table: back to its vtable */
    0x2a, 0xff, 0xff, 0xff,                                  /* 32: field 0 */
    16,  0,    0,    0,                                      /* 36: field 1: on to 52 */
    0x85, 0,   0,    0,                                      /* 40: field 2 */
    24,  0,    0,    0,                                      /* 44: field 3: on to 68 */
    0,   0,    0xc0, 0x3f,                                   /* 48: field 4: 1.5 */
    3,   0,    0,    0,    1,    0,   0,   0,                /* 52: the vector */
    2,   0,    0,    0,    0xfd, 0xff, 0xff, 0xff,           /* 60 */
    60,  0,    0,    0,                                      /* 68: a table of another vtable, at 8 */
    7,   0,    0,    0,    0,    0,   0,   0,                /* 72 */
    0,   0,    0,    0,    0,    0,   0,   0,                /* 80 */
    0,   0,    0,    0,                                      /* 88 */
};

/* Reads all there is; the sum keeps the compiler from leaving it out. */
static es_status read_all(const uint8_t *data, size_t size, int64_t *sum)
{
    es_flatbuffer b;
    const es_fb_table root = es_fb_open(&b, data, size, "TEST");
    const es_fb_vector v = es_fb_vector_at(&b, root, 1, 4);
    const es_fb_table sub = es_fb_subtable(&b, root, 3);
    const float real = es_fb_f32(&b, root, 4, 0.0f);
    uint32_t i;

    *sum = es_fb_i32(&b, root, 0, 0) + es_fb_i8(&b, root, 2, 0) + (real > 1.0f ? 1 : 0);
    *sum += es_fb_i32(&b, sub, 0, 0) + es_fb_i8(&b, sub, 2, 0) + es_fb_has(&b, sub, 5);
    *sum += (int64_t)(es_fb_u64(&b, root, 0, 0) & 1);
    for (i = 0; i < v.count && i < 64; i++) {
        *sum += es_fb_i32_in(&b, v, i);
    }
    return b.status;
}

static void reads_what_was_written(void **state)
{
    es_flatbuffer b;
    const es_fb_table root = es_fb_open(&b, sound, sizeof sound, "TEST");
    const es_fb_vector v = es_fb_vector_at(&b, root, 1, 4);
    const es_fb_table sub = es_fb_subtable(&b, root, 3);

    (void)state;
    assert_int_equal(b.status, ES_OK);
    assert_int_equal(es_fb_i32(&b, root, 0, 5), -214);
    assert_int_equal(es_fb_u32(&b, root, 0, 5), 0xffffff2au);
    assert_int_equal(es_fb_i8(&b, root, 2, 5), -123);
    assert_true(es_fb_f32(&b, root, 4, 0.0f) == 1.5f);
    assert_int_equal(v.count, 3);
    assert_int_equal(es_fb_i32_in(&b, v, 0), 1);
    assert_int_equal(es_fb_i32_in(&b, v, 2), -3);
    assert_int_equal(es_fb_i32(&b, sub, 0, 5), 7);
    assert_int_equal(b.status, ES_OK);
}

static void absent_fields_have_their_defaults(void **state)
{
    es_flatbuffer b;
    const es_fb_table root = es_fb_open(&b, sound, sizeof sound, "TEST");
    const es_fb_table none = es_fb_subtable(&b, root, 5);

    (void)state;
    assert_int_equal(es_fb_i32(&b, root, 5, 11), 11);
    assert_int_equal(es_fb_i32(&b, root, 6, 12), 12);
    assert_int_equal(es_fb_i8(&b, root, 100000, -3), -3);
    assert_false(es_fb_has(&b, root, 5));
    assert_true(es_fb_has(&b, root, 4));
    assert_int_equal(none.position, 0);
    assert_int_equal(es_fb_i32(&b, none, 0, 13), 13);
    assert_int_equal(es_fb_vector_at(&b, none, 0, 4).count, 0);
    assert_int_equal(b.status, ES_OK);
}

static void the_first_error_stays(void **state)
{
    es_flatbuffer b;
    const es_fb_table root = es_fb_open(&b, sound, sizeof sound, "TEST");
    const es_fb_vector v = es_fb_vector_at(&b, root, 1, 4);

    (void)state;
    assert_int_equal(es_fb_i32_in(&b, v, 3), 0);
    assert_int_equal(b.status, ES_ERR_MODEL_OFFSET);
    assert_int_equal(es_fb_i32(&b, root, 0, 5), 5);
    assert_int_equal(es_fb_i32_in(&b, v, 0), 0);
    assert_int_equal(es_fb_table_in(&b, v, 0).position, 0);
    assert_int_equal(b.status, ES_ERR_MODEL_OFFSET);
}

static void another_identifier_or_no_room_is_refused(void **state)
{
    es_flatbuffer b;

    (void)state;
    (void)es_fb_open(&b, sound, sizeof sound, "TFL3");
    assert_int_equal(b.status, ES_ERR_MODEL_IDENTIFIER);
    (void)es_fb_open(&b, sound, 7, "TEST");
    assert_int_equal(b.status, ES_ERR_MODEL_TRUNCATED);
    (void)es_fb_open(&b, sound, (size_t)INT32_MAX + 1, "TEST");
    assert_int_equal(b.status, ES_ERR_MODEL_TRUNCATED);
}

/* In a block of exactly that size, where a sanitizer sees each byte too far. */
static void every_truncation_is_refused(void **state)
{
    size_t size;

    (void)state;
    for (size = 0; size < sizeof sound; size++) {
        uint8_t *copy = malloc(size + (size == 0));
        int64_t sum;

        assert_non_null(copy);
        memcpy(copy, sound, size);
        assert_true(read_all(copy, size, &sum) != ES_OK);
        free(copy);
    }
}

static void no_byte_makes_it_read_elsewhere(void **state)
{
    uint8_t *copy = malloc(sizeof sound);
    unsigned refused = 0;
    size_t at;
    unsigned value;

    (void)state;
    assert_non_null(copy);
    for (at = 0; at < sizeof sound; at++) {
        for (value = 0; value < 256; value++) {
            int64_t sum;

            memcpy(copy, sound, sizeof sound);
            copy[at] = (uint8_t)value;
            refused += read_all(copy, sizeof sound, &sum) != ES_OK;
        }
    }
    free(copy);
    assert_true(refused > 1000);
}

static void words_are_little_endian_at_any_address(void **state)
{
    static const uint8_t bytes[] = {0xaa, 0x01, 0x02, 0x03, 0x84, 0x05, 0x06, 0x07, 0x88};

    (void)state;
    assert_int_equal(es_load_u16(bytes + 1), 0x0201);
    assert_int_equal(es_load_u32(bytes + 1), 0x84030201u);
    assert_int_equal(es_load_i32(bytes + 1), (int32_t)(0x84030201u - 0x100000000));
    assert_true((uint64_t)es_load_i64(bytes + 1) == 0x8807060584030201u);
}

int main(void)
{
    const struct CMUnitTest flatbuffer[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(absent_fields_have_their_defaults),
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(another_identifier_or_no_room_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(no_byte_makes_it_read_elsewhere),
        cmocka_unit_test(words_are_little_endian_at_any_address),
    };

    return cmocka_run_group_tests(flatbuffer, NULL, NULL);
}
