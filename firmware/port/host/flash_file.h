/* A flash in a file, stricter than the hardware: writes off the grid or to
 * bytes that are not erased are refused. Its geometry is one of three:
 *   nor   4096-byte sectors, 8-byte writes, erased 0xFF
 *   rows  PSoC 6's internal flash: 512-byte rows, erased and written as a whole, erased 0x00
 *   qspi  the kits' S25FL512S: 256 KB sectors, 8-byte writes, erased 0xFF */
#ifndef ES_PORT_HOST_FLASH_FILE_H
#define ES_PORT_HOST_FLASH_FILE_H

#include <stdbool.h>

#include "../../hal/flash.h"

/* Operations (rows written, blocks erased) after which the power is cut: the
 * next one is done by half, then the process ends with ES_POWER_CUT_STATUS. */
#define ES_POWER_CUT_VARIABLE "EARSHOT_FLASH_CUT"
#define ES_POWER_CUT_STATUS 99

/* Which geometry; nor where it is not set. A file keeps the one that it was made with. */
#define ES_FLASH_KIND_VARIABLE "EARSHOT_FLASH_KIND"

typedef struct {
    const char *name;
    uint32_t erase_size;
    uint32_t write_size;
    uint8_t erased;
} es_flash_kind;

typedef struct {
    const es_flash_kind *kind;
    int descriptor;
    const uint8_t *bytes; /* the file, mapped for reading */
    uint32_t size;
    long operations_left; /* until the power cut; -1: never */
} es_flash_file;

/* Opens the file, or makes an erased one, and waits up to a minute for the
 * lock: exclusive for a poll, shared for listening. A file of an older program,
 * which knew fewer areas, gets what it lacks. */
es_status es_flash_file_open(es_flash_file *file, es_flash *flash, const char *path, bool exclusive);

void es_flash_file_close(es_flash_file *file);

#endif
