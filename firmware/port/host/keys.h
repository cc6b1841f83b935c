/* The two keys in a device's folder. */
#ifndef ES_PORT_HOST_KEYS_H
#define ES_PORT_HOST_KEYS_H

#include <stdbool.h>

#include "../../crypto/crypto.h"

#define ES_PATH_MAX 4096

/* <directory>/<name>; false where that is too long. */
bool es_path_in(const char *directory, const char *name, char out[ES_PATH_MAX]);

/* Reads exactly `size` bytes, all of the file. */
bool es_file_read(const char *path, uint8_t *data, size_t size);

/* Makes a file, or replaces it at once. */
bool es_file_write(const char *path, const uint8_t *data, size_t size, unsigned mode);

/* The device's own private key: read, or made from the system's random source
 * and kept in a file that only its owner can read. */
bool es_device_key(const char *directory, bool make, uint8_t key[ES_P256_SCALAR_BYTES]);

/* A 91-byte key file whose point is on the curve. */
bool es_signing_key(const char *path, uint8_t key[ES_P256_SPKI_BYTES]);

#endif
