#define _DEFAULT_SOURCE /* flock */
#include "flash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ERASE_BYTES = 4096, WRITE_BYTES = 8, ROW_BYTES = 512, ERASED = 0xFF, LOCK_TRIES = 600, LOCK_WAIT_NS = 100000000 };

static bool within(const es_flash_file *file, uint32_t offset, uint32_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

static es_status put(const es_flash_file *file, uint32_t offset, const void *data, uint32_t size)
{
    return pwrite(file->descriptor, data, size, (off_t)offset) == (ssize_t)size ? ES_OK : ES_ERR_FLASH;
}

/* One operation; when the power is cut in it, only `torn` of its bytes are
 * written and the process ends there and then. */
static es_status operate(es_flash_file *file, uint32_t offset, const void *data, uint32_t size)
{
    if (file->operations_left == 0) {
        (void)put(file, offset, data, size / 2);
        _exit(ES_POWER_CUT_STATUS);
    }
    if (file->operations_left > 0) {
        file->operations_left--;
    }
    return put(file, offset, data, size);
}

static es_status flash_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    const es_flash_file *file = context;

    if (!within(file, offset, size)) {
        return ES_ERR_FLASH_BOUNDS;
    }
    memcpy(data, file->bytes + offset, size);
    return ES_OK;
}

static es_status flash_write(void *context, uint32_t offset, const void *data, uint32_t size)
{
    es_flash_file *file = context;
    const uint8_t *from = data;
    uint32_t i;

    if (!within(file, offset, size) || offset % WRITE_BYTES != 0 || size % WRITE_BYTES != 0) {
        return ES_ERR_FLASH_BOUNDS;
    }
    for (i = 0; i < size; i++) {
        if (file->bytes[offset + i] != ERASED) {
            return ES_ERR_FLASH_UNERASED;
        }
    }
    while (size > 0) {
        const uint32_t room = ROW_BYTES - offset % ROW_BYTES;
        const uint32_t n = size < room ? size : room;
        const es_status status = operate(file, offset, from, n);

        if (status != ES_OK) {
            return status;
        }
        offset += n;
        from += n;
        size -= n;
    }
    return ES_OK;
}

static es_status flash_erase(void *context, uint32_t offset, uint32_t size)
{
    es_flash_file *file = context;
    uint8_t blank[ERASE_BYTES];

    if (!within(file, offset, size) || offset % ERASE_BYTES != 0 || size % ERASE_BYTES != 0) {
        return ES_ERR_FLASH_BOUNDS;
    }
    memset(blank, ERASED, sizeof blank);
    for (; size > 0; size -= ERASE_BYTES) {
        const es_status status = operate(file, offset, blank, ERASE_BYTES);

        if (status != ES_OK) {
            return status;
        }
        offset += ERASE_BYTES;
    }
    return ES_OK;
}

static const uint8_t *flash_map(void *context, uint32_t offset)
{
    const es_flash_file *file = context;

    return file->bytes + offset;
}

static bool lock(int descriptor, bool exclusive)
{
    const struct timespec wait = {0, LOCK_WAIT_NS};
    int tries;

    for (tries = 0; tries < LOCK_TRIES; tries++) {
        if (flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) {
            return true;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return false;
        }
        (void)nanosleep(&wait, NULL);
    }
    return false;
}

/* An erased flash appears under its name complete or not at all. */
static bool create(const char *path, uint32_t size)
{
    char temporary[4096];
    uint8_t *blank;
    bool good;
    int descriptor;

    if (snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid()) >= (int)sizeof temporary) {
        return false;
    }
    blank = malloc(size);
    descriptor = open(temporary, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    if (blank == NULL || descriptor < 0) {
        free(blank);
        return false;
    }
    memset(blank, ERASED, size);
    good = write(descriptor, blank, size) == (ssize_t)size;
    good = close(descriptor) == 0 && good;
    /* Of two that come first at once, the second one's link fails: one flash. */
    good = good && (link(temporary, path) == 0 || errno == EEXIST);
    (void)unlink(temporary);
    free(blank);
    return good;
}

es_status es_flash_file_open(es_flash_file *file, es_flash *flash, const char *path, uint32_t size, bool exclusive)
{
    const char *cut = getenv(ES_POWER_CUT_VARIABLE);
    struct stat facts;
    void *bytes;

    memset(file, 0, sizeof *file);
    file->size = size;
    file->operations_left = cut == NULL ? -1 : strtol(cut, NULL, 10);
    if (access(path, F_OK) != 0 && !create(path, size)) {
        return ES_ERR_FLASH;
    }
    file->descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (file->descriptor < 0) {
        return ES_ERR_FLASH;
    }
    if (!lock(file->descriptor, exclusive) || fstat(file->descriptor, &facts) != 0 || facts.st_size != (off_t)size) {
        (void)close(file->descriptor);
        return ES_ERR_FLASH;
    }
    bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, file->descriptor, 0);
    if (bytes == MAP_FAILED) {
        (void)close(file->descriptor);
        return ES_ERR_FLASH;
    }
    file->bytes = bytes;
    flash->context = file;
    flash->size = size;
    flash->erase_size = ERASE_BYTES;
    flash->write_size = WRITE_BYTES;
    flash->erased = ERASED;
    flash->read = flash_read;
    flash->write = flash_write;
    flash->erase = flash_erase;
    flash->map = flash_map;
    return ES_OK;
}

void es_flash_file_close(es_flash_file *file)
{
    (void)munmap((void *)(uintptr_t)file->bytes, file->size);
    (void)close(file->descriptor);
}
