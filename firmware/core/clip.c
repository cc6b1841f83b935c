#include "clip.h"

/* Sum of squares: at most 2^30 * 16,000, far below 2^64. */
static uint64_t energy(const int16_t *samples, size_t count)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        sum += (uint64_t)((int32_t)samples[i] * samples[i]);
    }
    return sum;
}

size_t es_clip_start(const int16_t *samples, size_t count)
{
    uint64_t current;
    uint64_t best;
    size_t best_start = 0;
    size_t start;

    if (count <= ES_CLIP_SAMPLES) {
        return 0;
    }
    current = best = energy(samples, ES_CLIP_SAMPLES);
    for (start = ES_CLIP_STEP; start + ES_CLIP_SAMPLES <= count; start += ES_CLIP_STEP) {
        current -= energy(samples + start - ES_CLIP_STEP, ES_CLIP_STEP);
        current += energy(samples + start - ES_CLIP_STEP + ES_CLIP_SAMPLES, ES_CLIP_STEP);
        if (current > best) {
            best = current;
            best_start = start;
        }
    }
    return best_start;
}
