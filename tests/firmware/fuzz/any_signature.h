/* In the place of crypto/, for fuzzers that shall reach what lies behind it: every
 * signature holds, and every key is one. Included by one source file a program,
 * which brings a hash of its own. */
#ifndef ANY_SIGNATURE_H
#define ANY_SIGNATURE_H

#include <string.h>

#include "crypto/crypto.h"

void es_sha256_start(es_sha256 *h)
{
    memset(h, 0, sizeof *h);
}

bool es_p256_verify(const uint8_t point[ES_P256_POINT_BYTES], const uint8_t digest[ES_SHA256_BYTES],
                    const uint8_t signature[ES_P256_SIGNATURE_BYTES])
{
    (void)point;
    (void)digest;
    (void)signature;
    return true;
}

bool es_der_signature(const uint8_t *der, size_t size, uint8_t signature[ES_P256_SIGNATURE_BYTES])
{
    memset(signature, size > 0 ? der[size - 1] : 0, ES_P256_SIGNATURE_BYTES);
    return true;
}

bool es_der_public_key(const uint8_t *der, size_t size, uint8_t point[ES_P256_POINT_BYTES])
{
    memset(point, size > 0 ? der[size - 1] : 0, ES_P256_POINT_BYTES);
    return true;
}

#endif
