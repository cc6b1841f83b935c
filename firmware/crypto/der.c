/* The two DER structures that the firmware reads. */
#include <string.h>

#include "crypto.h"

enum { SEQUENCE = 0x30, INTEGER = 0x02, SPKI_PREFIX = 26 };

/* A non-negative INTEGER below 2^256 in its shortest form, as 32 bytes;
 * advances *p. */
static bool read_integer(const uint8_t **p, const uint8_t *end, uint8_t out[32])
{
    size_t size;
    const uint8_t *value;

    if (end - *p < 3 || (*p)[0] != INTEGER) {
        return false;
    }
    size = (*p)[1];
    value = *p + 2;
    if (size == 0 || size > 33 || (size_t)(end - value) < size) {
        return false;
    }
    *p = value + size;
    if ((value[0] & 0x80) != 0) {
        return false; /* negative */
    }
    if (value[0] == 0 && size > 1) {
        if ((value[1] & 0x80) == 0) {
            return false; /* longer than it must be */
        }
        value++;
        size--;
    }
    if (size > 32) {
        return false;
    }
    memset(out, 0, 32 - size);
    memcpy(out + 32 - size, value, size);
    return true;
}

bool es_der_signature(const uint8_t *der, size_t size, uint8_t signature[ES_P256_SIGNATURE_BYTES])
{
    const uint8_t *p;

    if (size < 8 || size > 72 || der[0] != SEQUENCE || der[1] != size - 2) {
        return false;
    }
    p = der + 2;
    return read_integer(&p, der + size, signature) && read_integer(&p, der + size, signature + 32) &&
           p == der + size;
}

bool es_der_public_key(const uint8_t *der, size_t size, uint8_t point[ES_P256_POINT_BYTES])
{
    /* SEQUENCE { SEQUENCE { OID ecPublicKey, OID prime256v1 }, BIT STRING }:
     * for an uncompressed point there is one encoding only. */
    static const uint8_t prefix[SPKI_PREFIX] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                                0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                                0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

    if (size != ES_P256_SPKI_BYTES || memcmp(der, prefix, sizeof prefix) != 0 ||
        !es_p256_is_point(der + SPKI_PREFIX)) {
        return false;
    }
    memcpy(point, der + SPKI_PREFIX, ES_P256_POINT_BYTES);
    return true;
}
