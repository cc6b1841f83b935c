/* The cryptography that the firmware needs, behind one small interface.
 *
 * The built-in implementation is portable C without tables or heap; a port with
 * a library or hardware of its own provides the same functions instead. */
#ifndef ES_CRYPTO_H
#define ES_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ES_SHA256_BYTES 32
#define ES_P256_SCALAR_BYTES 32
#define ES_P256_POINT_BYTES 65 /* 0x04, x, y: big-endian */
#define ES_P256_SPKI_BYTES 91
#define ES_P256_SIGNATURE_BYTES 64 /* r, s: big-endian */

typedef struct {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
} es_sha256;

void es_sha256_start(es_sha256 *h);
void es_sha256_add(es_sha256 *h, const void *data, size_t size);
void es_sha256_end(es_sha256 *h, uint8_t digest[ES_SHA256_BYTES]);

/* ECDSA over P-256. False for a signature that is not valid, r or s outside
 * [1, n), and a public key that is not a point of the curve. */
bool es_p256_verify(const uint8_t point[ES_P256_POINT_BYTES], const uint8_t digest[ES_SHA256_BYTES],
                    const uint8_t signature[ES_P256_SIGNATURE_BYTES]);

/* Signs by RFC 6979, without a random source. False for a private key outside
 * [1, n). Runs in time that does not depend on the key. */
bool es_p256_sign(const uint8_t key[ES_P256_SCALAR_BYTES], const uint8_t digest[ES_SHA256_BYTES],
                  uint8_t signature[ES_P256_SIGNATURE_BYTES]);

/* The public key of a private one; false for a key outside [1, n). */
bool es_p256_public(const uint8_t key[ES_P256_SCALAR_BYTES], uint8_t point[ES_P256_POINT_BYTES]);

/* Whether the 65 bytes are an uncompressed point of the curve. */
bool es_p256_is_point(const uint8_t point[ES_P256_POINT_BYTES]);

/* Strict DER, and nothing behind it. */
bool es_der_signature(const uint8_t *der, size_t size, uint8_t signature[ES_P256_SIGNATURE_BYTES]);

/* The point of a SubjectPublicKeyInfo for P-256, uncompressed; it must be on
 * the curve. */
bool es_der_public_key(const uint8_t *der, size_t size, uint8_t point[ES_P256_POINT_BYTES]);

#endif
