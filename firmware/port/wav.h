/* WAV files of 16 kHz mono 16-bit PCM; anything else is refused. For ports whose C library reads files. */
#ifndef ES_PORT_WAV_H
#define ES_PORT_WAV_H

#include <stddef.h>
#include <stdint.h>

#include "../core/errors.h"

/* Finds the samples in a file's bytes: *data_offset and *count say where. */
es_status es_wav_parse(const uint8_t *file, size_t size, size_t *data_offset, size_t *count);

/* Reads a file; *samples is to be freed, also after an error. ES_ERR_WAV also
 * where es_file_load (file.h) reads nothing. */
es_status es_wav_read(const char *path, int16_t **samples, size_t *count);

#endif
