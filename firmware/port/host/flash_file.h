/* A flash in a file, stricter than the hardware: writes off the grid or to
 * bytes that are not erased are refused. */
#ifndef ES_PORT_HOST_FLASH_FILE_H
#define ES_PORT_HOST_FLASH_FILE_H

#include <stdbool.h>

#include "../../hal/flash.h"

/* Operations (rows written, blocks erased) after which the power is cut: the
 * next one is done by half, then the process ends with ES_POWER_CUT_STATUS. */
#define ES_POWER_CUT_VARIABLE "EARSHOT_FLASH_CUT"
#define ES_POWER_CUT_STATUS 99

typedef struct {
    int descriptor;
    const uint8_t *bytes; /* the file, mapped for reading */
    uint32_t size;
    long operations_left; /* until the power cut; -1: never */
} es_flash_file;

/* Opens the file, or makes an erased one, and waits up to a minute for the
 * lock: exclusive for a poll, shared for listening. */
es_status es_flash_file_open(es_flash_file *file, es_flash *flash, const char *path, uint32_t size, bool exclusive);

void es_flash_file_close(es_flash_file *file);

#endif
