/* Any bytes as update metadata: root, next root, timestamp, stored snapshot,
 * snapshot, targets, with a NUL between one file and the next. Signatures hold
 * always, so that what lies behind them is reached. */
#include <stdlib.h>
#include <string.h>

#include "any_signature.h"
#include "ota/tuf/trusted_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not SHA-256, but different for most that differs. */
void es_sha256_add(es_sha256 *h, const void *data, size_t size)
{
    const uint8_t *p = data;
    size_t i;

    for (i = 0; i < size; i++) {
        h->length = h->length * 31 + p[i];
    }
}

void es_sha256_end(es_sha256 *h, uint8_t digest[ES_SHA256_BYTES])
{
    memset(digest, 0, ES_SHA256_BYTES);
    memcpy(digest, &h->length, 2); /* as long as an input can find it */
}

/* A copy of the next file, which ends where its memory does. */
static uint8_t *next_file(const uint8_t **data, const uint8_t *end, size_t *size)
{
    const uint8_t *nul = *data < end ? memchr(*data, '\0', (size_t)(end - *data)) : NULL;
    uint8_t *copy;

    *size = (size_t)((nul != NULL ? nul : end) - *data);
    copy = malloc(*size > 0 ? *size : 1);
    if (copy == NULL) {
        abort();
    }
    if (*size > 0) {
        memcpy(copy, *data, *size);
    }
    *data = nul != NULL ? nul + 1 : end;
    return copy;
}

static es_status give(es_tuf_set *set, int step, const uint8_t *file, size_t size)
{
    bool newer;

    switch (step) {
    case 0:
        return es_tuf_set_open(set, file, size, 1700000000);
    case 1:
        return es_tuf_set_root(set, file, size);
    case 2:
        return es_tuf_set_timestamp(set, file, size, &newer);
    case 3:
    case 4:
        return es_tuf_set_snapshot(set, file, size, step == 3);
    default:
        return es_tuf_set_targets(set, file, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static es_tuf_set set;
    const uint8_t *end = data + size;
    int step;

    for (step = 0; step < 6; step++) {
        const uint32_t root = set.root.header.version;
        es_tuf_target target;
        size_t n;
        uint8_t *file = next_file(&data, end, &n);
        const es_status status = give(&set, step, file, n);

        if (step == 0 && status != ES_OK) {
            free(file);
            return 0;
        }
        if (step == 1 && set.root.header.version != root + (status == ES_OK ? 1 : 0)) {
            abort();
        }
        if (step == 5 && status == ES_OK &&
            (!set.has_targets || set.targets.version != set.targets_entry.version ||
             set.snapshot.version != set.snapshot_entry.version || set.now >= set.timestamp.expires)) {
            abort();
        }
        if (step == 5 && status == ES_OK && es_tuf_target_find(&target, file, n, "model.img") == ES_OK &&
            target.custom_size > n) {
            abort();
        }
        free(file);
    }
    return 0;
}
