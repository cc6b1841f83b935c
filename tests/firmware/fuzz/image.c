/* Any bytes as an update image. Hash and signature hold always, so that what
 * lies behind them is reached. */
#include <stdlib.h>
#include <string.h>

#include "any_signature.h"
#include "ota/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const uint8_t *data;
    size_t size;
} contents;

/* The digest of anything is zeros. */
void es_sha256_add(es_sha256 *h, const void *data, size_t size)
{
    /* Reads it all: a sanitizer sees what is not there. */
    const uint8_t *p = data;
    size_t i;

    for (i = 0; i < size; i++) {
        h->length += p[i] & 1u;
    }
}

void es_sha256_end(es_sha256 *h, uint8_t digest[ES_SHA256_BYTES])
{
    (void)h;
    memset(digest, 0, ES_SHA256_BYTES);
}

static es_status read_contents(void *context, uint32_t offset, void *data, uint32_t size)
{
    const contents *c = context;

    /* Reading past the image's end is the image check's fault, not the flash's. */
    if (offset > c->size || size > c->size - offset) {
        abort();
    }
    memcpy(data, c->data + offset, size);
    return ES_OK;
}

static bool knows(const char *id)
{
    return strncmp(id, "micro-", 6) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[ES_P256_SPKI_BYTES] = {0};
    static const es_image_rules rules = {key, "CY8CPROTO_062_4343W", knows, {1, 0, 7}, 7};
    contents c = {data, size};
    const es_flash flash = {&c, (uint32_t)size, 4096, 8, 0xff, read_contents, NULL, NULL, NULL};
    es_image image;

    if (es_image_verify(&image, &flash, 0, (uint32_t)size, &rules) == ES_OK &&
        (image.counter < rules.least_counter || (uint64_t)image.payload + image.payload_size > size)) {
        abort();
    }
    return 0;
}
