/* Flash memory, as the update client sees it: one region with its own grid.
 *
 * A write may only touch erased bytes, on the write grid; an erase sets whole
 * blocks to the erased value. Both may be torn by a power cut. */
#ifndef ES_HAL_FLASH_H
#define ES_HAL_FLASH_H

#include <stddef.h>
#include <stdint.h>

#include "../core/errors.h"

typedef struct es_flash {
    void *context;
    uint32_t size;
    uint32_t erase_size;
    uint32_t write_size; /* at most 512 */
    uint8_t erased;      /* value of an erased byte */
    es_status (*read)(void *context, uint32_t offset, void *data, uint32_t size);
    es_status (*write)(void *context, uint32_t offset, const void *data, uint32_t size);
    es_status (*erase)(void *context, uint32_t offset, uint32_t size);
    /* Where the bytes can be read in place. */
    const uint8_t *(*map)(void *context, uint32_t offset);
} es_flash;

#endif
