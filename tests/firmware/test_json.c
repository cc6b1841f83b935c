/* The JSON reader, the model card and the job document. */
#include "suite.h"

#include <stdlib.h>

#include "core/card.h"
#include "core/json.h"
#include "ota/job.h"

#define CARD                                                                                                          \
    "{\"frontend\":\"micro-7b49ead9\",\"labels\":[\"yes\",\"no\",\"unknown\",\"silence\"],\"recogniser\":"            \
    "{\"average_ms\":1000,\"minimum_count\":3,\"suppression_ms\":1500,\"threshold\":200},"                            \
    "\"schema\":\"earshot.model/1\"}"
#define JOB                                                                                                           \
    "{\"Message\":\"Update Available\",\"Board\":\"CY8CPROTO_062_4343W\",\"Version\":\"1.0.3\",\"Connection\":"       \
    "\"HTTPS\",\"Server\":\"d111.cloudfront.net\",\"Port\":\"443\",\"File\":\"/1.0.3/model.img\",\"Size\":\"20480\"," \
    "\"Sha256\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"}"

/* Reads a text to its end; its status. */
static es_status status_of(const char *text, size_t size)
{
    es_json j;

    es_json_open(&j, text, size);
    while (es_json_next(&j) != ES_JSON_END) {
    }
    return j.status;
}

static void sound_texts_are_read(void **state)
{
    static const char *const texts[] = {
        "null", " true ", "false", "0", "-0", "10", "-1.5e+10", "1E3", "0.25", "\"\"", "\"\\u00e9\\ud83d\\ude00\"",
        "\"\xc3\xa9\xf0\x9f\x98\x80\"", "[]", "{}", "[[],{}]", "{\"a\":1}", "{ \"a\" : [ 1 , 2 ] , \"b\" : { } }",
        "[[[[[[[[]]]]]]]]"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(texts); i++) {
        assert_int_equal(status_of(texts[i], strlen(texts[i])), ES_OK);
    }
}

static void malformed_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "", " ", "nul", "nulll", "tru", "01", "-", "1.", ".5", "1e", "1e+", "+1", "0x1", "\"", "\"\\", "\"\\x\"",
        "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\x01\"", "\"\xc3\"", "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xe0\x80\x80\"", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]",
        "[1}", "{", "}", "{]", "{1:2}", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}", "{\"a\" 1}", "{\"a\":1]",
        "1 2", "[] []", "'a'", "[[[[[[[[[]]]]]]]]]"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(texts); i++) {
        assert_true(status_of(texts[i], strlen(texts[i])) != ES_OK);
    }
}

static void strings_are_decoded_and_bounded(void **state)
{
    static const char text[] = "\"a\\n\\\"\\u00e9\\ud83d\\ude00\"";
    char out[16];
    es_json j;
    size_t room;

    (void)state;
    for (room = 1; room <= sizeof out; room++) {
        memset(out, 'x', sizeof out);
        es_json_open(&j, text, sizeof text - 1);
        assert_int_equal(es_json_next(&j), ES_JSON_STRING);
        /* Nine bytes and a NUL. */
        assert_int_equal(es_json_string(&j, out, room), room >= 10 ? ES_OK : ES_ERR_JSON_SIZE);
        assert_true(room == sizeof out || out[room] == 'x');
    }
    assert_string_equal(out, "a\n\"\xc3\xa9\xf0\x9f\x98\x80");
    es_json_open(&j, "\"\\u0000\"", 8);
    assert_int_equal(es_json_next(&j), ES_JSON_STRING);
    assert_true(es_json_string(&j, out, sizeof out) != ES_OK);
}

static void integers_are_whole_and_in_range(void **state)
{
    static const struct {
        const char *text;
        bool whole;
        int32_t value;
    } cases[] = {{"0", true, 0},
                 {"-1", true, -1},
                 {"2147483647", true, INT32_MAX},
                 {"-2147483648", true, INT32_MIN},
                 {"2147483648", false, 0},
                 {"99999999999", false, 0},
                 {"1.0", false, 0},
                 {"1e3", false, 0}};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        int32_t value = 77;
        es_json j;

        es_json_open(&j, cases[i].text, strlen(cases[i].text));
        assert_int_equal(es_json_next(&j), ES_JSON_NUMBER);
        assert_int_equal(es_json_integer(&j, INT32_MIN, INT32_MAX, &value), cases[i].whole);
        assert_int_equal(value, cases[i].whole ? cases[i].value : 77);
        assert_false(es_json_integer(&j, 5, 5, &value));
    }
}

/* Hands a reader every text that is `text` with its end cut off or one byte changed, each in a block of its own. */
static void damage(const char *text, es_status (*read)(const char *text, size_t size), unsigned *accepted)
{
    static const char values[] = {0, '"', '{', '}', '[', ']', ',', ':', '\\', '0', '-', ' ', (char)0x80, (char)0xff};
    const size_t size = strlen(text);
    size_t at;
    size_t v;

    for (at = 0; at < size; at++) {
        for (v = 0; v <= sizeof values; v++) {
            const size_t n = v == sizeof values ? at : size;
            char *copy = malloc(n + (n == 0));
            es_status status;

            assert_non_null(copy);
            memcpy(copy, text, n);
            if (v < sizeof values) {
                copy[at] = values[v];
            }
            status = read(copy, n);
            assert_false(n < size && status == ES_OK);
            *accepted += status == ES_OK;
            free(copy);
        }
    }
}

static es_status read_card(const char *text, size_t size)
{
    static es_card card;

    return es_card_parse(&card, text, size);
}

static void a_card_is_read(void **state)
{
    static es_card card;
    unsigned accepted = 0;

    (void)state;
    assert_int_equal(es_card_parse(&card, CARD, sizeof CARD - 1), ES_OK);
    assert_string_equal(card.frontend, "micro-7b49ead9");
    assert_int_equal(card.label_count, 4);
    assert_string_equal(card.labels[3], "silence");
    assert_int_equal(card.recogniser.average_ms, 1000);
    assert_int_equal(card.recogniser.minimum_count, 3);
    assert_int_equal(card.recogniser.suppression_ms, 1500);
    assert_int_equal(card.recogniser.threshold, 200);
    damage(CARD, read_card, &accepted);
    assert_true(accepted > 10);
}

static es_status read_job(const char *text, size_t size)
{
    static es_job job;

    return es_job_parse(&job, text, size);
}

static void a_job_document_is_read(void **state)
{
    static es_job job;
    unsigned accepted = 0;
    int i;

    (void)state;
    assert_int_equal(es_job_parse(&job, JOB, sizeof JOB - 1), ES_OK);
    assert_true(job.available && job.tls);
    assert_string_equal(job.board, "CY8CPROTO_062_4343W");
    assert_string_equal(job.server, "d111.cloudfront.net");
    assert_string_equal(job.file, "/1.0.3/model.img");
    assert_int_equal(job.port, 443);
    assert_int_equal(job.size, 20480);
    assert_int_equal(job.version.build, 3);
    for (i = 0; i < 32; i++) {
        assert_int_equal(job.digest[i], i);
    }
    damage(JOB, read_job, &accepted);
    assert_true(accepted > 10);
}

int main(void)
{
    const struct CMUnitTest json[] = {
        cmocka_unit_test(sound_texts_are_read),            cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(strings_are_decoded_and_bounded), cmocka_unit_test(integers_are_whole_and_in_range),
        cmocka_unit_test(a_card_is_read),                  cmocka_unit_test(a_job_document_is_read),
    };

    return cmocka_run_group_tests(json, NULL, NULL);
}
