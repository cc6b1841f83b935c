#include "rollout.h"

#include <string.h>

#include "../crypto/crypto.h"

bool es_rollout_selects(uint32_t percent, const char *salt, const char *device)
{
    uint8_t digest[ES_SHA256_BYTES];
    es_sha256 h;
    uint64_t u;

    es_sha256_start(&h);
    es_sha256_add(&h, salt, strlen(salt));
    es_sha256_add(&h, ":", 1);
    es_sha256_add(&h, device, strlen(device));
    es_sha256_end(&h, digest);
    u = (uint64_t)digest[0] << 24 | (uint64_t)digest[1] << 16 | (uint64_t)digest[2] << 8 | digest[3];
    return (u * 100) >> 32 < percent;
}
