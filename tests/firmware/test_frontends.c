/* Front ends: the features of `kws.features`, however the samples arrive. */
#include <math.h>

#include "suite.h"

#include "core/fft.h"
#include "core/frontend.h"
#include "golden.h"

static int8_t features[ES_FRONTEND_FEATURES_MAX];
static es_frontend_stream stream;

static const es_frontend *front_end_of(const golden_clip *clip)
{
    const es_frontend *f = es_frontend_find(clip->frontend);

    assert_non_null(f);
    assert_int_equal(f->channels, clip->channels);
    return f;
}

static void features_are_those_of_python(void **state)
{
    size_t k;

    (void)state;
    for (k = 0; k < golden_clip_count; k++) {
        const es_frontend *f = front_end_of(&golden_clips[k]);

        assert_int_equal(es_frontend_clip(f, golden_clips[k].samples, ES_FRONTEND_CLIP_SAMPLES, features), ES_OK);
        assert_same(golden_clips[k].frontend, features, golden_clips[k].features, es_frontend_features(f));
    }
}

/* Feeds a clip in pieces of 1 to `longest` samples. */
static void feed(const golden_clip *clip, uint32_t longest, uint64_t random)
{
    const es_frontend *f = front_end_of(clip);
    size_t done = 0;
    size_t frames = 0;

    es_frontend_reset(&stream, f);
    while (done < ES_FRONTEND_CLIP_SAMPLES) {
        const size_t left = ES_FRONTEND_CLIP_SAMPLES - done;
        const size_t wanted = 1 + next_random(&random) % longest;
        size_t taken;

        if (es_frontend_feed(&stream, clip->samples + done, wanted < left ? wanted : left, &taken,
                             features + frames * f->channels)) {
            frames++;
        }
        assert_true(taken > 0 && taken <= wanted);
        done += taken;
    }
    assert_int_equal(frames, f->frames);
    assert_same(clip->frontend, features, clip->features, es_frontend_features(f));
}

static void pieces_make_the_same_frames(void **state)
{
    size_t k;

    (void)state;
    for (k = 0; k < golden_clip_count; k++) {
        feed(&golden_clips[k], 1, 1);
        feed(&golden_clips[k], 700, 2);
        feed(&golden_clips[k], 16000, 3);
    }
}

static void a_reset_forgets_everything(void **state)
{
    int8_t frame[ES_FRONTEND_CHANNELS_MAX];
    size_t taken;

    (void)state;
    es_frontend_reset(&stream, front_end_of(&golden_clips[0]));
    (void)es_frontend_feed(&stream, golden_clips[0].samples, 700, &taken, frame);
    feed(&golden_clips[1], 320, 4);
}

static void other_lengths_are_no_clips(void **state)
{
    const es_frontend *f = es_frontend_at(0);

    (void)state;
    assert_int_equal(es_frontend_clip(f, golden_clips[0].samples, 15999, features), ES_ERR_SAMPLES);
    assert_int_equal(es_frontend_clip(f, golden_clips[0].samples, 0, features), ES_ERR_SAMPLES);
}

static void front_ends_are_found_by_their_ids(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; es_frontend_at(i) != NULL; i++) {
        assert_true(es_frontend_find(es_frontend_at(i)->id()) == es_frontend_at(i));
    }
    assert_int_equal(i, 2);
    assert_null(es_frontend_find("micro"));
    assert_null(es_frontend_find(""));
}

/* |sum of x[n] exp(-2 pi i n bin / 512)| / 512 of 480 samples. */
static double magnitude(const int16_t *x, unsigned bin)
{
    const double turn = 2 * 3.14159265358979323846 * bin / 512;
    double re = 0;
    double im = 0;
    unsigned n;

    for (n = 0; n < 480; n++) {
        re += x[n] * cos(turn * n);
        im += x[n] * sin(turn * n);
    }
    return sqrt(re * re + im * im) / 512;
}

/* Noise under a taper, as the front ends have it, with a line at bin 128. */
static void powers_are_those_of_a_fourier_transform(void **state)
{
    static const unsigned bins[] = {0, 1, 2, 3, 4, 63, 64, 65, 127, 128, 129, 191, 192, 252, 253, 254, 255};
    static uint32_t words[ES_FFT_WORDS];
    int16_t x[480];
    uint64_t random = 5;
    size_t k;
    unsigned n;

    (void)state;
    for (n = 0; n < 480; n++) {
        const double line = n % 4 == 0 ? 6000 : n % 4 == 2 ? -6000 : 0;

        x[n] = (int16_t)((line + next_random(&random) % 18000 - 9000) * (n < 240 ? n : 480 - n) / 240);
    }
    for (n = 0; n < ES_FFT_WORDS; n++) {
        words[n] = n < ES_FFT_SIGNAL_WORDS ? (uint16_t)x[2 * n] | (uint32_t)(uint16_t)x[2 * n + 1] << 16 : 0x7fff8000;
    }
    es_fft_power(words, 0);
    for (k = 0; k < COUNT(bins); k++) {
        const double found = sqrt(words[es_fft_place[bins[k]]]);

        /* Each of five stages rounds by a half at most. */
        assert_true(fabs(found - magnitude(x, bins[k])) < 4);
    }
}

/* 3000 under a shift of 2 is 12000. */
static void a_shift_is_a_factor(void **state)
{
    static uint32_t shifted[ES_FFT_WORDS];
    static uint32_t plain[ES_FFT_WORDS];
    uint64_t random = 6;
    unsigned n;

    (void)state;
    for (n = 0; n < ES_FFT_SIGNAL_WORDS; n++) {
        const int32_t low = (int32_t)(next_random(&random) % 6001) - 3000;
        const int32_t high = (int32_t)(next_random(&random) % 6001) - 3000;

        shifted[n] = (uint16_t)low | (uint32_t)(uint16_t)high << 16;
        plain[n] = (uint16_t)(4 * low) | (uint32_t)(uint16_t)(4 * high) << 16;
    }
    es_fft_power(shifted, 2);
    es_fft_power(plain, 0);
    assert_memory_equal(shifted, plain, sizeof plain);
}

int main(void)
{
    const struct CMUnitTest frontends[] = {
        cmocka_unit_test(features_are_those_of_python), cmocka_unit_test(pieces_make_the_same_frames),
        cmocka_unit_test(a_reset_forgets_everything),   cmocka_unit_test(other_lengths_are_no_clips),
        cmocka_unit_test(front_ends_are_found_by_their_ids), cmocka_unit_test(powers_are_those_of_a_fourier_transform),
        cmocka_unit_test(a_shift_is_a_factor),
    };

    return cmocka_run_group_tests(frontends, NULL, NULL);
}
