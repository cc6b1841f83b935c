#include "image.h"

#include <string.h>

enum {
    HEADER_BYTES = 32,
    HEADER_MAX = 4096,
    CHUNK = 512,
    TLV_INFO = 4,
    PROTECTED_MAGIC = 0x6908,
    PLAIN_MAGIC = 0x6907,
    FLAG_NON_BOOTABLE = 0x10,
    TLV_KEYHASH = 0x01,
    TLV_SHA256 = 0x10,
    TLV_ECDSA_SIG = 0x22,
    TLV_COUNTER = 0x50,
    TLV_BOARD = 0xa0,
    TLV_FRONTEND = 0xa1,
    SIGNATURE_DER_MAX = 72
};

#define HEADER_MAGIC 0x96f3b83du

/* Where a TLV's value lies; size 0 where it was not seen. */
typedef struct {
    uint32_t offset;
    uint16_t size;
} tlv;

typedef struct {
    const es_flash *flash;
    uint32_t base;
    uint32_t size;
    uint32_t header_size;
    uint32_t payload_size;
    uint32_t protected_size;
    es_version version;
    uint32_t version_build;
    tlv hash, key_hash, signature, counter, board, frontend;
} layout;

static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)load16(p) | ((uint32_t)load16(p + 2) << 16);
}

static es_status read_at(const layout *l, uint32_t offset, void *data, uint32_t size)
{
    return l->flash->read(l->flash->context, l->base + offset, data, size);
}

static es_status read_header(layout *l)
{
    uint8_t h[HEADER_BYTES];
    es_status status;

    if (l->size < HEADER_BYTES) {
        return ES_ERR_IMAGE_SIZE;
    }
    status = read_at(l, 0, h, sizeof h);
    if (status != ES_OK) {
        return status;
    }
    l->header_size = load16(h + 8);
    l->protected_size = load16(h + 10);
    l->payload_size = load32(h + 12);
    l->version.major = h[20];
    l->version.minor = h[21];
    l->version.build = load16(h + 22);
    l->version_build = load32(h + 24);
    if (load32(h) != HEADER_MAGIC || load32(h + 4) != 0 || (load32(h + 16) & ~(uint32_t)FLAG_NON_BOOTABLE) != 0 ||
        load32(h + 28) != 0 || l->header_size < HEADER_BYTES || l->header_size > HEADER_MAX ||
        l->header_size % 4 != 0) {
        return ES_ERR_IMAGE_HEADER;
    }
    if (l->payload_size == 0 || (uint64_t)l->header_size + l->payload_size + l->protected_size + TLV_INFO > l->size) {
        return ES_ERR_IMAGE_SIZE;
    }
    return ES_OK;
}

/* The place for a TLV of this type in this area, or NULL. */
static tlv *place_for(layout *l, uint16_t type, bool is_protected)
{
    if (is_protected) {
        return type == TLV_COUNTER ? &l->counter : type == TLV_BOARD ? &l->board
                                               : type == TLV_FRONTEND ? &l->frontend
                                                                      : NULL;
    }
    return type == TLV_SHA256 ? &l->hash : type == TLV_KEYHASH ? &l->key_hash
                                       : type == TLV_ECDSA_SIG ? &l->signature
                                                               : NULL;
}

/* One TLV area at *offset; its entries must fill it exactly. Advances. */
static es_status read_area(layout *l, uint32_t *offset, bool is_protected)
{
    uint8_t info[TLV_INFO];
    uint32_t at = *offset;
    uint32_t end;
    es_status status = read_at(l, at, info, sizeof info);

    if (status != ES_OK) {
        return status;
    }
    end = at + load16(info + 2);
    if (load16(info) != (is_protected ? PROTECTED_MAGIC : PLAIN_MAGIC) || load16(info + 2) < TLV_INFO ||
        end > l->size || (is_protected && load16(info + 2) != l->protected_size)) {
        return ES_ERR_IMAGE_TLV;
    }
    at += TLV_INFO;
    while (at < end) {
        tlv *place;

        if (end - at < TLV_INFO) {
            return ES_ERR_IMAGE_TLV;
        }
        status = read_at(l, at, info, sizeof info);
        if (status != ES_OK) {
            return status;
        }
        place = place_for(l, load16(info), is_protected);
        at += TLV_INFO;
        if (place == NULL || place->size != 0 || load16(info + 2) == 0 || load16(info + 2) > end - at) {
            return ES_ERR_IMAGE_TLV;
        }
        place->offset = at;
        place->size = load16(info + 2);
        at += place->size;
    }
    *offset = end;
    return ES_OK;
}

/* What follows the TLVs can only be filler, less than a download chunk. */
static es_status check_filler(const layout *l, uint32_t offset)
{
    if (l->size - offset >= 4096) {
        return ES_ERR_IMAGE_SIZE;
    }
    for (; offset < l->size; offset++) {
        uint8_t byte;
        const es_status status = read_at(l, offset, &byte, 1);

        if (status != ES_OK) {
            return status;
        }
        if (byte != 0x00 && byte != 0xFF) {
            return ES_ERR_IMAGE_SIZE;
        }
    }
    return ES_OK;
}

static es_status read_tlvs(layout *l)
{
    uint32_t offset = l->header_size + l->payload_size;
    es_status status;

    if (l->protected_size == 0) {
        return ES_ERR_IMAGE_TLV;
    }
    status = read_area(l, &offset, true);
    if (status == ES_OK && l->size - offset < TLV_INFO) {
        status = ES_ERR_IMAGE_SIZE;
    }
    if (status == ES_OK) {
        status = read_area(l, &offset, false);
    }
    if (status == ES_OK) {
        status = check_filler(l, offset);
    }
    if (status != ES_OK) {
        return status;
    }
    return l->hash.size == ES_SHA256_BYTES && l->key_hash.size == ES_SHA256_BYTES && l->signature.size != 0 &&
                   l->signature.size <= SIGNATURE_DER_MAX && l->counter.size == 4 && l->board.size != 0 &&
                   l->frontend.size != 0
               ? ES_OK
               : ES_ERR_IMAGE_TLV;
}

static es_status hash_signed_part(const layout *l, uint8_t digest[ES_SHA256_BYTES])
{
    const uint32_t total = l->header_size + l->payload_size + l->protected_size;
    uint8_t chunk[CHUNK];
    uint32_t offset;
    es_sha256 h;

    es_sha256_start(&h);
    for (offset = 0; offset < total; offset += CHUNK) {
        const uint32_t n = total - offset < CHUNK ? total - offset : CHUNK;
        const es_status status = read_at(l, offset, chunk, n);

        if (status != ES_OK) {
            return status;
        }
        es_sha256_add(&h, chunk, n);
    }
    es_sha256_end(&h, digest);
    return ES_OK;
}

static es_status check_key_hash(const layout *l, const uint8_t *key)
{
    uint8_t stored[ES_SHA256_BYTES];
    uint8_t digest[ES_SHA256_BYTES];
    es_sha256 h;
    const es_status status = read_at(l, l->key_hash.offset, stored, sizeof stored);

    if (status != ES_OK) {
        return status;
    }
    es_sha256_start(&h);
    es_sha256_add(&h, key, ES_P256_SPKI_BYTES);
    es_sha256_end(&h, digest);
    return memcmp(stored, digest, sizeof digest) == 0 ? ES_OK : ES_ERR_IMAGE_KEY;
}

static es_status check_signature(const layout *l, const uint8_t *key)
{
    uint8_t digest[ES_SHA256_BYTES];
    uint8_t stored[ES_SHA256_BYTES];
    uint8_t der[SIGNATURE_DER_MAX];
    uint8_t signature[ES_P256_SIGNATURE_BYTES];
    uint8_t point[ES_P256_POINT_BYTES];
    es_status status = hash_signed_part(l, digest);

    if (status == ES_OK) {
        status = read_at(l, l->hash.offset, stored, sizeof stored);
    }
    if (status != ES_OK) {
        return status;
    }
    if (memcmp(stored, digest, sizeof digest) != 0) {
        return ES_ERR_IMAGE_HASH;
    }
    status = check_key_hash(l, key);
    if (status == ES_OK) {
        status = read_at(l, l->signature.offset, der, l->signature.size);
    }
    if (status != ES_OK) {
        return status;
    }
    if (!es_der_public_key(key, ES_P256_SPKI_BYTES, point)) {
        return ES_ERR_KEY;
    }
    return es_der_signature(der, l->signature.size, signature) && es_p256_verify(point, digest, signature)
               ? ES_OK
               : ES_ERR_IMAGE_SIGNATURE;
}

static es_status check_board(const layout *l, const char *board)
{
    uint8_t text[64];
    es_status status;

    if (l->board.size != strlen(board) || l->board.size > sizeof text) {
        return ES_ERR_IMAGE_BOARD;
    }
    status = read_at(l, l->board.offset, text, l->board.size);
    if (status != ES_OK) {
        return status;
    }
    return memcmp(text, board, l->board.size) == 0 ? ES_OK : ES_ERR_IMAGE_BOARD;
}

static es_status check_frontend(const layout *l, const es_image_rules *rules)
{
    char id[64] = "";
    es_status status;

    if (l->frontend.size >= sizeof id) {
        return ES_ERR_IMAGE_FRONTEND;
    }
    status = read_at(l, l->frontend.offset, (uint8_t *)id, l->frontend.size);
    if (status != ES_OK) {
        return status;
    }
    return strlen(id) == l->frontend.size && rules->knows_frontend(id) ? ES_OK : ES_ERR_IMAGE_FRONTEND;
}

es_status es_image_verify(es_image *image, const es_flash *flash, uint32_t offset, uint32_t size,
                          const es_image_rules *rules)
{
    uint8_t counter[4];
    es_status status;
    layout l;

    memset(&l, 0, sizeof l);
    l.flash = flash;
    l.base = offset;
    l.size = size;
    status = read_header(&l);
    if (status == ES_OK) {
        status = read_tlvs(&l);
    }
    if (status == ES_OK) {
        status = check_signature(&l, rules->key);
    }
    if (status == ES_OK) {
        status = check_board(&l, rules->board);
    }
    if (status == ES_OK) {
        status = check_frontend(&l, rules);
    }
    if (status == ES_OK && (es_version_compare(&l.version, &rules->version) != 0 || l.version_build != 0)) {
        status = ES_ERR_IMAGE_VERSION;
    }
    if (status == ES_OK) {
        status = read_at(&l, l.counter.offset, counter, sizeof counter);
    }
    if (status != ES_OK) {
        return status;
    }
    image->payload = offset + l.header_size;
    image->payload_size = l.payload_size;
    image->counter = load32(counter);
    image->version = l.version;
    return image->counter < rules->least_counter ? ES_ERR_IMAGE_COUNTER : ES_OK;
}
