/* The DSP extension's instructions, or what stands for them, by their definitions. */
#include "suite.h"

#include "core/dsp.h"

static const uint32_t words[] = {0,          1,          0x7f,       0x80,       0xff,       0x7fff,     0x8000,
                                 0xffff,     0x10000,    0x7fff7fff, 0x80008000, 0x80007fff, 0x7fff8000, 0xffffffff,
                                 0x80000000, 0x7fffffff, 0x01020304, 0xfffefdfc, 0x80ff7f01, 0xff00ff00, 0x00ff00ff};

/* `bits` bits of x from bit `at` on, as a signed number. */
static int64_t part(uint32_t x, int at, int bits)
{
    const int64_t value = (int64_t)((x >> at) & (((uint64_t)1 << bits) - 1));

    return value >= (int64_t)1 << (bits - 1) ? value - ((int64_t)1 << bits) : value;
}

static uint32_t halves(int64_t low, int64_t high)
{
    return (uint32_t)((uint64_t)low & 0xffff) | (uint32_t)(((uint64_t)high & 0xffff) << 16);
}

static void check_pair(uint32_t a, uint32_t b, uint32_t sum)
{
    const int64_t products = part(a, 0, 16) * part(b, 0, 16) + part(a, 16, 16) * part(b, 16, 16);

    assert_int_equal((uint32_t)es_smlad(a, b, (int32_t)sum), (uint32_t)((uint64_t)products + sum));
    assert_int_equal(es_add16(a, b), halves(part(a, 0, 16) + part(b, 0, 16), part(a, 16, 16) + part(b, 16, 16)));
    assert_int_equal(es_subtract16(a, b), halves(part(a, 0, 16) - part(b, 0, 16), part(a, 16, 16) - part(b, 16, 16)));
    assert_int_equal(es_pack_lows(a, b), halves(part(a, 0, 16), part(b, 0, 16)));
    assert_int_equal(es_pack_highs(a, b), halves(part(a, 16, 16), part(b, 16, 16)));
    assert_int_equal(es_pack_low_high(a, b), halves(part(a, 0, 16), part(b, 16, 16)));
}

/* What the transform takes besides: low and high halves multiplied, exchanged, halved. */
static void check_complex(uint32_t a, uint32_t b, uint32_t sum)
{
    const int64_t al = part(a, 0, 16);
    const int64_t ah = part(a, 16, 16);
    const int64_t bl = part(b, 0, 16);
    const int64_t bh = part(b, 16, 16);

    assert_int_equal((uint32_t)es_smlabb(a, b, (int32_t)sum), (uint32_t)((uint64_t)(al * bl) + sum));
    assert_int_equal((uint32_t)es_smlatb(a, b, (int32_t)sum), (uint32_t)((uint64_t)(ah * bl) + sum));
    assert_int_equal((uint32_t)es_smlatt(a, b, (int32_t)sum), (uint32_t)((uint64_t)(ah * bh) + sum));
    assert_int_equal((uint32_t)es_smlsd(a, b, (int32_t)sum), (uint32_t)((uint64_t)(al * bl - ah * bh) + sum));
    assert_int_equal((uint32_t)es_smladx(a, b, (int32_t)sum), (uint32_t)((uint64_t)(al * bh + ah * bl) + sum));
    assert_int_equal((uint32_t)es_smuad(a, b), (uint32_t)(uint64_t)(al * bl + ah * bh));
    assert_int_equal((uint32_t)es_smlawb((int32_t)a, b, (int32_t)sum),
                     (uint32_t)((uint64_t)(part(a, 0, 32) * bl >> 16) + sum));
    assert_int_equal((uint32_t)es_smlawt((int32_t)a, b, (int32_t)sum),
                     (uint32_t)((uint64_t)(part(a, 0, 32) * bh >> 16) + sum));
    assert_int_equal(es_half_add16(a, b), halves((al + bl) >> 1, (ah + bh) >> 1));
    assert_int_equal(es_half_subtract16(a, b), halves((al - bl) >> 1, (ah - bh) >> 1));
    assert_int_equal(es_ssax(a, b), halves(al + bh, ah - bl));
    assert_int_equal(es_sasx(a, b), halves(al - bh, ah + bl));
    assert_int_equal(es_pack_shifted((int32_t)a, (int32_t)b, 1), halves(part(a, 0, 32) >> 1, part(b, 0, 32) >> 1));
    assert_int_equal(es_pack_shifted((int32_t)a, (int32_t)b, 15), halves(part(a, 0, 32) >> 15, part(b, 0, 32) >> 15));
    assert_int_equal(es_pack_shifted((int32_t)a, (int32_t)b, 16), halves(ah, bh));
    assert_int_equal(es_magnitude16(a), halves(al < 0 ? -al : al, ah < 0 ? -ah : ah));
}

static void check_word(uint32_t a)
{
    const int64_t value = part(a, 0, 32);

    assert_int_equal(es_low16(a), part(a, 0, 16));
    assert_int_equal(es_high16(a), part(a, 16, 16));
    assert_int_equal(es_sxtb16(a), halves(part(a, 0, 8), part(a, 16, 8)));
    assert_int_equal(es_sxtb16_high(a), halves(part(a, 8, 8), part(a, 24, 8)));
    assert_int_equal(es_saturate8((int32_t)value), value < -128 ? -128 : value > 127 ? 127 : value);
}

static void edges_are_as_defined(void **state)
{
    size_t i;
    size_t k;
    size_t l;

    (void)state;
    for (i = 0; i < COUNT(words); i++) {
        check_word(words[i]);
        for (k = 0; k < COUNT(words); k++) {
            for (l = 0; l < COUNT(words); l++) {
                check_pair(words[i], words[k], words[l]);
                check_complex(words[i], words[k], words[l]);
            }
        }
    }
}

static void any_words_are_as_defined(void **state)
{
    uint64_t random = 3;
    int i;

    (void)state;
    for (i = 0; i < 50000; i++) {
        const uint32_t a = next_random(&random);

        check_word(a);
        check_word((uint32_t)((int32_t)a >> 22));
        check_pair(a, next_random(&random), next_random(&random));
        check_complex(a, next_random(&random), next_random(&random));
    }
}

static void words_are_read_and_written_at_any_address(void **state)
{
    uint8_t bytes[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    size_t at;

    (void)state;
    for (at = 0; at < 8; at++) {
        assert_int_equal(es_load_word(bytes + at), 0x04030201u + 0x01010101u * (uint32_t)at);
    }
    es_store_word(bytes + 3, 0xdeadbeefu);
    assert_int_equal(es_load_word(bytes + 3), 0xdeadbeefu);
    assert_int_equal(bytes[2], 3);
    assert_int_equal(bytes[7], 8);
}

int main(void)
{
    const struct CMUnitTest dsp[] = {
        cmocka_unit_test(edges_are_as_defined),
        cmocka_unit_test(any_words_are_as_defined),
        cmocka_unit_test(words_are_read_and_written_at_any_address),
    };

    return cmocka_run_group_tests(dsp, NULL, NULL);
}
