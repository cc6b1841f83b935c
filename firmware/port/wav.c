#include "wav.h"

#include <string.h>

#include "file.h"

enum { FORMAT_PCM = 1, FORMAT_EXTENSIBLE = 0xFFFE, EXTENSIBLE_BYTES = 40 };

static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)load16(p) | ((uint32_t)load16(p + 2) << 16);
}

static es_status check_format(const uint8_t *p, uint32_t size)
{
    /* The rest of the GUID that says PCM. */
    static const uint8_t pcm_guid[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
    uint16_t format;

    if (size < 16) {
        return ES_ERR_WAV;
    }
    format = load16(p);
    if (format == FORMAT_EXTENSIBLE && size >= EXTENSIBLE_BYTES && memcmp(p + 26, pcm_guid, sizeof pcm_guid) == 0) {
        format = load16(p + 24);
    }
    return format == FORMAT_PCM && load16(p + 2) == 1 && load32(p + 4) == 16000 && load32(p + 8) == 32000 &&
                   load16(p + 12) == 2 && load16(p + 14) == 16
               ? ES_OK
               : ES_ERR_WAV_FORMAT;
}

es_status es_wav_parse(const uint8_t *file, size_t size, size_t *data_offset, size_t *count)
{
    size_t at = 12;
    int formats = 0;

    if (size < 12 || memcmp(file, "RIFF", 4) != 0 || memcmp(file + 8, "WAVE", 4) != 0) {
        return ES_ERR_WAV;
    }
    while (size - at >= 8) {
        const uint32_t chunk = load32(file + at + 4);
        const uint8_t *body = file + at + 8;

        if (chunk > size - at - 8) {
            return ES_ERR_WAV_SIZE;
        }
        if (memcmp(file + at, "fmt ", 4) == 0) {
            const es_status status = check_format(body, chunk);

            if (status != ES_OK || ++formats > 1) {
                return status != ES_OK ? status : ES_ERR_WAV;
            }
        } else if (memcmp(file + at, "data", 4) == 0) {
            if (formats == 0) {
                return ES_ERR_WAV;
            }
            if (chunk == 0 || chunk % 2 != 0) {
                return ES_ERR_WAV_SIZE;
            }
            *data_offset = at + 8;
            *count = chunk / 2;
            return ES_OK;
        }
        /* Chunks are padded to even sizes; the file's last may lack its pad. */
        at += 8 + chunk;
        at += chunk % 2 != 0 && at < size ? 1 : 0;
    }
    return ES_ERR_WAV;
}

es_status es_wav_read(const char *path, int16_t **samples, size_t *count)
{
    size_t size;
    size_t offset;
    uint8_t *file = es_file_load(path, &size);
    es_status status;
    size_t i;

    *samples = (int16_t *)(void *)file;
    *count = 0;
    if (file == NULL) {
        return ES_ERR_WAV;
    }
    status = es_wav_parse(file, size, &offset, count);
    if (status != ES_OK) {
        return status;
    }
    /* To the front of the file's own memory: an emulated board has none for both. */
    for (i = 0; i < *count; i++) {
        const int16_t sample = (int16_t)load16(file + offset + 2 * i);

        memcpy(file + 2 * i, &sample, sizeof sample);
    }
    return ES_OK;
}
