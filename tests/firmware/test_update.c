/* What an update rests on: hash and signature, the image's check, and a journal
 * that a power cut cannot break. */
#include "suite.h"

#include "core/frontend.h"
#include "crypto/crypto.h"
#include "golden.h"
#include "ota/image.h"
#include "ota/journal.h"

/* --- a flash in memory that loses its power --------------------------------------------------------------------- */

enum { BLOCK = 4096, ROW = 8 };

static uint8_t memory[ES_FLASH_BYTES];
static uint32_t flash_size; /* of what is there */
static long operations;     /* rows written and blocks erased until the power is cut; -1: never */

static es_status flash_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    (void)context;
    if (offset > flash_size || size > flash_size - offset) {
        return ES_ERR_FLASH_BOUNDS;
    }
    memcpy(data, memory + offset, size);
    return ES_OK;
}

/* Whether there is power for one more operation. */
static bool power(void)
{
    operations -= operations > 0;
    return operations != 0;
}

static es_status flash_write(void *context, uint32_t offset, const void *data, uint32_t size)
{
    const uint8_t *bytes = data;
    uint32_t at;

    (void)context;
    if (offset > flash_size || size > flash_size - offset || offset % ROW != 0 || size % ROW != 0) {
        return ES_ERR_FLASH_BOUNDS;
    }
    for (at = 0; at < size; at += ROW) {
        const bool whole = power();
        uint32_t i;

        for (i = 0; i < ROW; i++) {
            if (memory[offset + at + i] != 0xff) {
                return ES_ERR_FLASH_UNERASED;
            }
        }
        memcpy(memory + offset + at, bytes + at, whole ? ROW : ROW / 2);
        if (!whole) {
            return ES_ERR_FLASH;
        }
    }
    return ES_OK;
}

static es_status flash_erase(void *context, uint32_t offset, uint32_t size)
{
    uint32_t at;

    (void)context;
    if (offset > flash_size || size > flash_size - offset || offset % BLOCK != 0 || size % BLOCK != 0) {
        return ES_ERR_FLASH_BOUNDS;
    }
    for (at = 0; at < size; at += BLOCK) {
        const bool whole = power();

        memset(memory + offset + at, 0xff, whole ? BLOCK : BLOCK / 2);
        if (!whole) {
            return ES_ERR_FLASH;
        }
    }
    return ES_OK;
}

static const uint8_t *flash_map(void *context, uint32_t offset)
{
    (void)context;
    return memory + offset;
}

static const es_flash flash = {NULL,       ES_FLASH_BYTES, BLOCK,       ROW,      0xff,
                               flash_read, flash_write,    flash_erase, flash_map};

static void erase_all(void)
{
    memset(memory, 0xff, sizeof memory);
    flash_size = sizeof memory;
    operations = -1;
}

/* --- cryptography ----------------------------------------------------------------------------------------------- */

static void hex(const char *text, uint8_t *bytes)
{
    static const char digits[] = "0123456789abcdef";

    for (; text[0] != '\0'; text += 2) {
        *bytes++ = (uint8_t)((strchr(digits, text[0]) - digits) * 16 + (strchr(digits, text[1]) - digits));
    }
}

static void sha256_of_known_messages(void **state)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t wanted[32];
    uint8_t digest[32];
    es_sha256 h;
    size_t i;

    (void)state;
    hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", wanted);
    es_sha256_start(&h);
    es_sha256_add(&h, "abc", 3);
    es_sha256_end(&h, digest);
    assert_memory_equal(digest, wanted, 32);
    hex("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", wanted);
    es_sha256_start(&h);
    for (i = 0; i < sizeof two_blocks - 1; i++) {
        es_sha256_add(&h, two_blocks + i, 1);
    }
    es_sha256_end(&h, digest);
    assert_memory_equal(digest, wanted, 32);
}

/* RFC 6979, A.2.5: P-256 with SHA-256, message "sample". */
static void a_signature_is_made_and_checked(void **state)
{
    uint8_t key[32];
    uint8_t point[65];
    uint8_t wanted[64];
    uint8_t signature[64];
    uint8_t digest[32];
    es_sha256 h;

    (void)state;
    hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721", key);
    hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        wanted);
    es_sha256_start(&h);
    es_sha256_add(&h, "sample", 6);
    es_sha256_end(&h, digest);
    assert_true(es_p256_sign(key, digest, signature));
    assert_memory_equal(signature, wanted, 64);
    assert_true(es_p256_public(key, point));
    assert_true(es_p256_verify(point, digest, signature));
    signature[63] ^= 1;
    assert_false(es_p256_verify(point, digest, signature));
    signature[63] ^= 1;
    digest[0] ^= 1;
    assert_false(es_p256_verify(point, digest, signature));
}

/* --- the image -------------------------------------------------------------------------------------------------- */

static bool knows_frontend(const char *id)
{
    return es_frontend_find(id) != NULL;
}

static es_image_rules rules_of_the_board(void)
{
    const es_image_rules rules = {golden_key, GOLDEN_BOARD, knows_frontend, {1, 0, GOLDEN_COUNTER}, GOLDEN_COUNTER};

    return rules;
}

static void put_image(void)
{
    erase_all();
    memcpy(memory, golden_image, golden_image_size);
    flash_size = golden_image_size;
}

static es_status verify(const es_image_rules *rules, uint32_t size)
{
    es_image image;

    return es_image_verify(&image, &flash, 0, size, rules);
}

static void an_image_of_imgtool_is_taken(void **state)
{
    const es_image_rules rules = rules_of_the_board();
    es_image image;

    (void)state;
    put_image();
    assert_int_equal(es_image_verify(&image, &flash, 0, golden_image_size, &rules), ES_OK);
    assert_int_equal(image.payload, 0x400);
    assert_int_equal(image.counter, GOLDEN_COUNTER);
    assert_int_equal(image.version.build, GOLDEN_COUNTER);
    assert_memory_equal(memory + image.payload + 4, "TFL3", 4);
}

static void an_image_for_others_is_refused(void **state)
{
    es_image_rules rules = rules_of_the_board();
    uint8_t key[ES_P256_SPKI_BYTES];

    (void)state;
    put_image();
    rules.board = "CY8CPROTO_062_4343";
    assert_int_equal(verify(&rules, golden_image_size), ES_ERR_IMAGE_BOARD);
    rules = rules_of_the_board();
    rules.version.build++;
    assert_int_equal(verify(&rules, golden_image_size), ES_ERR_IMAGE_VERSION);
    rules = rules_of_the_board();
    rules.least_counter++;
    assert_int_equal(verify(&rules, golden_image_size), ES_ERR_IMAGE_COUNTER);
    rules = rules_of_the_board();
    memcpy(key, golden_key, sizeof key);
    key[90] ^= 1;
    rules.key = key;
    assert_int_equal(verify(&rules, golden_image_size), ES_ERR_IMAGE_KEY);
}

/* Structure lies in the header and the TLVs; of the rest one byte in 97 is enough. */
static void no_damaged_image_is_taken(void **state)
{
    const es_image_rules rules = rules_of_the_board();
    uint32_t at;

    (void)state;
    put_image();
    for (at = 0; at < golden_image_size;
         at += at < 32 || at + 300 > golden_image_size ? 1 : at < golden_image_size - 400 ? 997 : 7) {
        memory[at] ^= 0x40;
        assert_true(verify(&rules, golden_image_size) != ES_OK);
        memory[at] ^= 0x40;
    }
    for (at = 0; at < golden_image_size; at += at < 64 || at + 300 > golden_image_size ? 1 : 997) {
        assert_true(verify(&rules, at) != ES_OK);
    }
    assert_int_equal(verify(&rules, golden_image_size), ES_OK);
}

/* --- the journal ------------------------------------------------------------------------------------------------ */

static es_journal journal;

static uint32_t reopened_counter(void)
{
    static es_journal again;

    assert_int_equal(es_journal_open(&again, &flash), ES_OK);
    return again.state.report_counter;
}

static void a_journal_remembers_over_both_its_halves(void **state)
{
    uint32_t i;

    (void)state;
    erase_all();
    assert_int_equal(es_journal_open(&journal, &flash), ES_OK);
    assert_int_equal(journal.state.confirmed_slot, ES_NO_SLOT);
    for (i = 1; i <= 100; i++) {
        es_record r = journal.state;

        r.report_counter = i;
        assert_int_equal(es_journal_commit(&journal, &r), ES_OK);
        assert_int_equal(reopened_counter(), i);
    }
}

/* Fills the journal so far that the next commit is the last of a half, the
 * first of the other, or in between. */
static void fill(uint32_t records)
{
    uint32_t i;

    erase_all();
    assert_int_equal(es_journal_open(&journal, &flash), ES_OK);
    for (i = 1; i <= records; i++) {
        es_record r = journal.state;

        r.report_counter = i;
        assert_int_equal(es_journal_commit(&journal, &r), ES_OK);
    }
}

static void a_power_cut_leaves_the_state_before_or_after(void **state)
{
    static const uint32_t fillings[] = {1, 31, 32, 33, 64};
    size_t f;

    (void)state;
    for (f = 0; f < COUNT(fillings); f++) {
        bool committed = false;
        long cut;

        for (cut = 1; !committed; cut++) {
            es_record r;
            uint32_t found;

            fill(fillings[f]);
            r = journal.state;
            r.report_counter = 1000;
            operations = cut;
            committed = es_journal_commit(&journal, &r) == ES_OK;
            operations = -1;
            found = reopened_counter();
            assert_int_equal(found, committed ? 1000 : found == 1000 ? 1000 : fillings[f]);
            /* AND the board goes on from there */
            assert_int_equal(es_journal_open(&journal, &flash), ES_OK);
            r = journal.state;
            r.report_counter = 2000;
            assert_int_equal(es_journal_commit(&journal, &r), ES_OK);
            assert_int_equal(reopened_counter(), 2000);
        }
        /* 64 rows of a record, and 4 blocks where a half is erased first. */
        assert_int_equal(cut - 2, fillings[f] % 32 == 0 ? 68 : 64);
    }
}

/* Not only a power cut: a flash that fails once leaves a journal that goes on without a restart. */
static void after_a_failed_write_the_next_one_counts(void **state)
{
    uint32_t records;

    (void)state;
    for (records = 1; records <= 66; records++) {
        es_record r;

        fill(records);
        r = journal.state;
        r.report_counter = 1000;
        operations = records % 5 == 0 ? 2 : 30;
        assert_int_equal(es_journal_commit(&journal, &r), ES_ERR_FLASH);
        operations = -1;
        assert_int_equal(journal.state.report_counter, records);
        assert_int_equal(es_journal_commit(&journal, &r), ES_OK);
        assert_int_equal(journal.state.report_counter, 1000);
        assert_int_equal(reopened_counter(), 1000);
    }
}

static void the_last_rejected_digests_are_remembered(void **state)
{
    uint8_t digest[ES_SHA256_BYTES] = {0};
    es_record r;
    uint8_t i;

    (void)state;
    memset(&r, 0, sizeof r);
    for (i = 1; i <= ES_REJECTED_DIGESTS + 1; i++) {
        digest[0] = i;
        es_record_reject(&r, digest);
        es_record_reject(&r, digest);
        assert_true(es_record_is_rejected(&r, digest));
    }
    digest[0] = 1;
    assert_false(es_record_is_rejected(&r, digest));
    digest[0] = 2;
    assert_true(es_record_is_rejected(&r, digest));
}

int main(void)
{
    const struct CMUnitTest update[] = {
        cmocka_unit_test(sha256_of_known_messages),
        cmocka_unit_test(a_signature_is_made_and_checked),
        cmocka_unit_test(an_image_of_imgtool_is_taken),
        cmocka_unit_test(an_image_for_others_is_refused),
        cmocka_unit_test(no_damaged_image_is_taken),
        cmocka_unit_test(a_journal_remembers_over_both_its_halves),
        cmocka_unit_test(a_power_cut_leaves_the_state_before_or_after),
        cmocka_unit_test(after_a_failed_write_the_next_one_counts),
        cmocka_unit_test(the_last_rejected_digests_are_remembered),
    };

    return cmocka_run_group_tests(update, NULL, NULL);
}
