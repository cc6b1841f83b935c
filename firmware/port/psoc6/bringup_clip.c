#include "es_bringup_clip.h"

#include <string.h>

#include "crypto/crypto.h"

enum { BURST_SAMPLES = 4000 };

void es_bringup_clip(int16_t samples[ES_BRINGUP_CLIP_SAMPLES])
{
    uint32_t random = 1;
    int32_t i;

    for (i = 0; i < ES_BRINGUP_CLIP_SAMPLES; i++) {
        random = random * 1664525u + 1013904223u;
        samples[i] = (int16_t)(((int32_t)(random >> 16) - 32768) * (i % BURST_SAMPLES) / BURST_SAMPLES);
    }
}

es_status es_bringup_digest(const es_frontend *f, const int16_t samples[ES_BRINGUP_CLIP_SAMPLES], uint32_t *digest)
{
    static int8_t features[ES_FRONTEND_FEATURES_MAX];
    uint8_t bytes[ES_SHA256_BYTES];
    es_sha256 h;
    const es_status status = es_frontend_clip(f, samples, ES_BRINGUP_CLIP_SAMPLES, features);

    es_sha256_start(&h);
    es_sha256_add(&h, features, es_frontend_features(f));
    es_sha256_end(&h, bytes);
    *digest = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return status;
}

uint32_t es_bringup_golden(const char *frontend)
{
    static const struct {
        const char *frontend;
        uint32_t digest;
    } golden[] = {
        {"micro-7b49ead9", 0x7b65b007},
        {"spectrogram43-a395c2a0", 0x4d870585},
    };
    size_t i;

    for (i = 0; i < sizeof golden / sizeof *golden; i++) {
        if (strcmp(golden[i].frontend, frontend) == 0) {
            return golden[i].digest;
        }
    }
    return 0;
}
