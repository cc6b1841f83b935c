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

#include "../../ota/journal.h"

/* Pieces that a write is done in: a power cut leaves whole ones and half of one. */
enum { ROW_BYTES = 512, BLANK_BYTES = 4096, LOCK_TRIES = 600, LOCK_WAIT_NS = 100000000 };

static const es_flash_kind kinds[] = {{"nor", 4096, 8, 0xFF}, {"rows", 512, 512, 0x00}, {"qspi", 262144, 8, 0xFF}};

static bool within(const es_flash_file *file, uint32_t offset, uint32_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

static es_status put(const es_flash_file *file, uint32_t offset, const void *data, uint32_t size)
{
    return pwrite(file->descriptor, data, size, (off_t)offset) == (ssize_t)size ? ES_OK : ES_ERR_FLASH;
}

/* Whether the power lasts for one more operation. */
static bool has_power(es_flash_file *file)
{
    if (file->operations_left == 0) {
        return false;
    }
    if (file->operations_left > 0) {
        file->operations_left--;
    }
    return true;
}

/* Writes a row; when the power is cut in it, the first half of its bytes, and
 * the process ends there and then. */
static es_status write_row(es_flash_file *file, uint32_t offset, const void *data, uint32_t size)
{
    if (!has_power(file)) {
        (void)put(file, offset, data, size / 2);
        _exit(ES_POWER_CUT_STATUS);
    }
    return put(file, offset, data, size);
}

static es_status blank(const es_flash_file *file, uint32_t offset, uint32_t size)
{
    uint8_t erased[BLANK_BYTES];
    es_status status = ES_OK;

    memset(erased, file->kind->erased, sizeof erased);
    while (size > 0 && status == ES_OK) {
        const uint32_t n = size < sizeof erased ? size : (uint32_t)sizeof erased;

        status = put(file, offset, erased, n);
        offset += n;
        size -= n;
    }
    return status;
}

static es_status erase_block(es_flash_file *file, uint32_t offset)
{
    if (!has_power(file)) {
        (void)blank(file, offset, file->kind->erase_size / 2);
        _exit(ES_POWER_CUT_STATUS);
    }
    return blank(file, offset, file->kind->erase_size);
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

    if (!within(file, offset, size) || offset % file->kind->write_size != 0 ||
        size % file->kind->write_size != 0) {
        return ES_ERR_FLASH_BOUNDS;
    }
    for (i = 0; i < size; i++) {
        if (file->bytes[offset + i] != file->kind->erased) {
            return ES_ERR_FLASH_UNERASED;
        }
    }
    while (size > 0) {
        const uint32_t room = ROW_BYTES - offset % ROW_BYTES;
        const uint32_t n = size < room ? size : room;
        const es_status status = write_row(file, offset, from, n);

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
    const uint32_t block = file->kind->erase_size;

    if (!within(file, offset, size) || offset % block != 0 || size % block != 0) {
        return ES_ERR_FLASH_BOUNDS;
    }
    for (; size > 0; size -= block) {
        const es_status status = erase_block(file, offset);

        if (status != ES_OK) {
            return status;
        }
        offset += block;
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
static bool create(const char *path, uint32_t size, uint8_t erased)
{
    char temporary[4096];
    uint8_t *bytes;
    bool good;
    int descriptor;

    if (snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid()) >= (int)sizeof temporary) {
        return false;
    }
    bytes = malloc(size);
    descriptor = open(temporary, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    if (bytes == NULL || descriptor < 0) {
        free(bytes);
        return false;
    }
    memset(bytes, erased, size);
    good = write(descriptor, bytes, size) == (ssize_t)size;
    good = close(descriptor) == 0 && good;
    /* Of two that come first at once, the second one's link fails: one flash. */
    good = good && (link(temporary, path) == 0 || errno == EEXIST);
    (void)unlink(temporary);
    free(bytes);
    return good;
}

/* The kind that the environment names; NULL where there is none of that name. */
static const es_flash_kind *chosen_kind(void)
{
    const char *name = getenv(ES_FLASH_KIND_VARIABLE);
    size_t i;

    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (name == NULL || strcmp(name, kinds[i].name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* Whether the file has its size, after areas that it lacked were added. */
static bool complete(const es_flash_file *file)
{
    struct stat facts;

    if (fstat(file->descriptor, &facts) != 0 || facts.st_size < ES_JOURNAL_OFFSET ||
        facts.st_size > (off_t)file->size) {
        return false;
    }
    return facts.st_size == (off_t)file->size ||
           blank(file, (uint32_t)facts.st_size, file->size - (uint32_t)facts.st_size) == ES_OK;
}

es_status es_flash_file_open(es_flash_file *file, es_flash *flash, const char *path, bool exclusive)
{
    const es_flash_kind *kind = chosen_kind();
    const char *cut = getenv(ES_POWER_CUT_VARIABLE);
    void *bytes;

    if (kind == NULL) {
        return ES_ERR_FLASH;
    }
    memset(file, 0, sizeof *file);
    file->kind = kind;
    flash->erase_size = kind->erase_size;
    file->size = es_bank_offset(flash, ES_BANKS);
    file->operations_left = cut == NULL ? -1 : strtol(cut, NULL, 10);
    if (access(path, F_OK) != 0 && !create(path, file->size, kind->erased)) {
        return ES_ERR_FLASH;
    }
    file->descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (file->descriptor < 0) {
        return ES_ERR_FLASH;
    }
    if (!lock(file->descriptor, exclusive) || !complete(file)) {
        (void)close(file->descriptor);
        return ES_ERR_FLASH;
    }
    bytes = mmap(NULL, file->size, PROT_READ, MAP_SHARED, file->descriptor, 0);
    if (bytes == MAP_FAILED) {
        (void)close(file->descriptor);
        return ES_ERR_FLASH;
    }
    file->bytes = bytes;
    flash->context = file;
    flash->size = file->size;
    flash->write_size = kind->write_size;
    flash->erased = kind->erased;
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
