/* WAV files: what is one, and every way to damage a header by a byte. */
#include "suite.h"

#include <stdlib.h>

#include "port/wav.h"

enum { SAMPLES = 3, HEADER = 44, SIZE = HEADER + 2 * SAMPLES };

/* 16 kHz, mono, 16 bit. */
static const uint8_t sound[SIZE] = {'R', 'I', 'F', 'F', SIZE - 8, 0,   0,   0,   'W', 'A', 'V', 'E', 'f',
                                    'm', 't', ' ', 16,  0,        0,   0,   1,   0,   1,   0,   0x80, 0x3e,
                                    0,   0,   0,   0x7d, 0,       0,   2,   0,   16,  0,   'd', 'a', 't',
                                    'a', 6,   0,   0,   0,        1,   0,   2,   0,   3,   0};

static es_status parse(const uint8_t *file, size_t size, size_t *offset, size_t *count)
{
    uint8_t *copy = malloc(size + (size == 0));
    es_status status;

    assert_non_null(copy);
    memcpy(copy, file, size);
    status = es_wav_parse(copy, size, offset, count);
    free(copy);
    return status;
}

static void samples_are_found(void **state)
{
    size_t offset;
    size_t count;

    (void)state;
    assert_int_equal(parse(sound, SIZE, &offset, &count), ES_OK);
    assert_int_equal(offset, HEADER);
    assert_int_equal(count, SAMPLES);
}

static void other_chunks_are_passed_over(void **state)
{
    static const uint8_t list[] = {'L', 'I', 'S', 'T', 3, 0, 0, 0, 'a', 'b', 'c', 0};
    uint8_t file[SIZE + sizeof list];
    size_t offset;
    size_t count;

    (void)state;
    memcpy(file, sound, 12);
    memcpy(file + 12, list, sizeof list);
    memcpy(file + 12 + sizeof list, sound + 12, SIZE - 12);
    assert_int_equal(parse(file, sizeof file, &offset, &count), ES_OK);
    assert_int_equal(offset, HEADER + sizeof list);
    assert_int_equal(count, SAMPLES);
}

static void truncations_are_refused(void **state)
{
    size_t offset;
    size_t count;
    size_t size;

    (void)state;
    for (size = 0; size < SIZE; size++) {
        assert_true(parse(sound, size, &offset, &count) != ES_OK);
    }
}

/* Whatever is accepted lies inside the file. */
static void no_byte_makes_it_read_elsewhere(void **state)
{
    unsigned refused = 0;
    size_t at;
    unsigned value;

    (void)state;
    for (at = 0; at < HEADER; at++) {
        for (value = 0; value < 256; value++) {
            uint8_t file[SIZE];
            size_t offset;
            size_t count;

            memcpy(file, sound, SIZE);
            file[at] = (uint8_t)value;
            if (parse(file, SIZE, &offset, &count) == ES_OK) {
                assert_true(offset >= HEADER && offset + 2 * count <= SIZE);
            } else {
                refused++;
            }
        }
    }
    /* Each byte counts, but for the RIFF's own size. */
    assert_true(refused > 39 * 254);
}

int main(void)
{
    const struct CMUnitTest wav[] = {
        cmocka_unit_test(samples_are_found),
        cmocka_unit_test(other_chunks_are_passed_over),
        cmocka_unit_test(truncations_are_refused),
        cmocka_unit_test(no_byte_makes_it_read_elsewhere),
    };

    return cmocka_run_group_tests(wav, NULL, NULL);
}
