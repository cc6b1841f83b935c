/* A model image in MCUboot's format, in a flash slot.
 *
 * header | payload (the .tflite) | protected TLVs | TLVs | filler
 * Hash and signature cover header, payload and protected TLVs. */
#ifndef ES_OTA_IMAGE_H
#define ES_OTA_IMAGE_H

#include <stdbool.h>

#include "../crypto/crypto.h"
#include "../hal/flash.h"
#include "version.h"

/* What an image must say to be taken. */
typedef struct {
    const uint8_t *key; /* 91-byte SubjectPublicKeyInfo */
    const char *board;
    bool (*knows_frontend)(const char *id);
    es_version version;
    uint32_t least_counter;
} es_image_rules;

typedef struct {
    uint32_t payload; /* offset in the flash */
    uint32_t payload_size;
    uint32_t counter;
    es_version version;
} es_image;

/* Checks the `size` bytes at `offset`: structure, hash, key, signature, then
 * what is signed. Nothing of *image is to be used unless this answers ES_OK. */
es_status es_image_verify(es_image *image, const es_flash *flash, uint32_t offset, uint32_t size,
                          const es_image_rules *rules);

#endif
