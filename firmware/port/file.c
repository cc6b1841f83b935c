#include "file.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Room to begin with: the whole file, and a byte more to see its end; where that cannot be told, a guess. */
static size_t expected_bytes(FILE *f)
{
    long end = 0;

    if (fseek(f, 0, SEEK_END) == 0) {
        end = ftell(f);
        rewind(f);
    }
    return end > 0 && (unsigned long)end <= ES_FILE_BYTES ? (size_t)end + 1 : 65536;
}

void *es_file_load(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t room = 0;
    size_t n = 1;

    *size = 0;
    if (f == NULL) {
        return NULL;
    }
    while (n > 0 && *size <= ES_FILE_BYTES) {
        if (*size == room) {
            uint8_t *larger;

            room = room == 0 ? expected_bytes(f) : 2 * room;
            larger = realloc(bytes, room);
            if (larger == NULL) {
                break;
            }
            bytes = larger;
        }
        n = fread(bytes + *size, 1, room - *size, f);
        *size += n;
    }
    if (n > 0 || ferror(f) != 0) {
        free(bytes);
        bytes = NULL;
    }
    (void)fclose(f);
    return bytes;
}
