#include "keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

bool es_path_in(const char *directory, const char *name, char out[ES_PATH_MAX])
{
    const int n = snprintf(out, ES_PATH_MAX, "%s/%s", directory, name);

    return n > 0 && n < ES_PATH_MAX;
}

bool es_file_read(const char *path, uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "rb");
    bool good;

    if (f == NULL) {
        return false;
    }
    good = fread(data, 1, size, f) == size && fgetc(f) == EOF && ferror(f) == 0;
    (void)fclose(f);
    return good;
}

bool es_file_write(const char *path, const uint8_t *data, size_t size, unsigned mode)
{
    char temporary[ES_PATH_MAX];
    bool good;
    int descriptor;

    if (snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid()) >= (int)sizeof temporary) {
        return false;
    }
    descriptor = open(temporary, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (descriptor < 0) {
        return false;
    }
    good = fchmod(descriptor, (mode_t)mode) == 0 && write(descriptor, data, size) == (ssize_t)size &&
           fsync(descriptor) == 0;
    good = close(descriptor) == 0 && good;
    good = good && rename(temporary, path) == 0;
    if (!good) {
        (void)unlink(temporary);
    }
    return good;
}

static bool random_key(uint8_t key[ES_P256_SCALAR_BYTES])
{
    uint8_t point[ES_P256_POINT_BYTES];
    FILE *f = fopen("/dev/urandom", "rb");
    bool good = f != NULL;

    if (f == NULL) {
        return false;
    }
    /* A number outside [1, n) has a chance of 2^-32; then another is drawn. */
    do {
        good = fread(key, 1, ES_P256_SCALAR_BYTES, f) == ES_P256_SCALAR_BYTES;
    } while (good && !es_p256_public(key, point));
    (void)fclose(f);
    return good;
}

bool es_device_key(const char *directory, bool make, uint8_t key[ES_P256_SCALAR_BYTES])
{
    char path[ES_PATH_MAX];
    uint8_t point[ES_P256_POINT_BYTES];

    if (!es_path_in(directory, "device.key", path)) {
        return false;
    }
    if (access(path, F_OK) == 0 || !make) {
        return es_file_read(path, key, ES_P256_SCALAR_BYTES) && es_p256_public(key, point);
    }
    return random_key(key) && es_file_write(path, key, ES_P256_SCALAR_BYTES, 0600);
}

bool es_signing_key(const char *path, uint8_t key[ES_P256_SPKI_BYTES])
{
    uint8_t point[ES_P256_POINT_BYTES];

    return es_file_read(path, key, ES_P256_SPKI_BYTES) && es_der_public_key(key, ES_P256_SPKI_BYTES, point);
}
