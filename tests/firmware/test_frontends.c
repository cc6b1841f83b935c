/* Front ends: the features of `kws.features`, however the samples arrive. */
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

/* A cosine that fills the transform is one line of the spectrum: bin 128 of 512
 * is +, 0, -, 0 and so on. */
static void a_cosine_is_one_line(void **state)
{
    static uint32_t words[ES_FFT_WORDS];
    size_t bin;

    (void)state;
    for (bin = 0; bin < ES_FFT_WORDS; bin++) {
        words[bin] = (uint16_t)(bin % 2 == 0 ? 16000 : -16000);
    }
    es_fft_power(words, 0);
    for (bin = 0; bin < ES_FFT_WORDS; bin++) {
        const uint32_t power = words[es_fft_place[bin]];

        /* Half the amplitude in this bin, half in its mirror image. */
        assert_true(bin == 128 ? power > 7990u * 7990u && power < 8010u * 8010u : power <= 8);
    }
}

int main(void)
{
    const struct CMUnitTest frontends[] = {
        cmocka_unit_test(features_are_those_of_python), cmocka_unit_test(pieces_make_the_same_frames),
        cmocka_unit_test(a_reset_forgets_everything),   cmocka_unit_test(other_lengths_are_no_clips),
        cmocka_unit_test(front_ends_are_found_by_their_ids), cmocka_unit_test(a_cosine_is_one_line),
    };

    return cmocka_run_group_tests(frontends, NULL, NULL);
}
