#include <string.h>

#include "FreeRTOS.h"
#include "cyhal.h"
#include "es_port.h"
#include "es_store.h"
#include "task.h"

/* The core stands still while a row is erased (11 ms) or programmed (5 ms).
 * So long do the others run between two rows: then listening keeps up. */
#define BREATH_MS 10

static cyhal_flash_t device;

static bool within(uint32_t offset, uint32_t size)
{
    return offset <= ES_FLASH_BYTES && size <= ES_FLASH_BYTES - offset;
}

static bool on_grid(uint32_t offset, uint32_t size)
{
    return within(offset, size) && offset % ES_ROW_BYTES == 0 && size % ES_ROW_BYTES == 0;
}

static es_status flash_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    (void)context;
    if (!within(offset, size)) {
        return ES_ERR_FLASH_BOUNDS;
    }
    return cyhal_flash_read(&device, ES_STORE_ADDRESS + offset, data, size) == CY_RSLT_SUCCESS ? ES_OK : ES_ERR_FLASH;
}

/* Whether a row, read into `row`, holds nothing. */
static bool is_erased(const uint8_t row[ES_ROW_BYTES])
{
    size_t i;

    for (i = 0; i < ES_ROW_BYTES; i++) {
        if (row[i] != ES_ROW_ERASED) {
            return false;
        }
    }
    return true;
}

/* `data` may lie anywhere; the chip wants a row in RAM, aligned. */
static es_status program_row(uint32_t offset, const uint8_t *data)
{
    static uint32_t row[ES_ROW_BYTES / 4]; /* the update task's alone */
    es_status status = flash_read(NULL, offset, row, sizeof row);

    if (status == ES_OK && !is_erased((const uint8_t *)row)) {
        status = ES_ERR_FLASH_UNERASED;
    }
    if (status != ES_OK) {
        return status;
    }
    memcpy(row, data, sizeof row);
    return cyhal_flash_program(&device, ES_STORE_ADDRESS + offset, row) == CY_RSLT_SUCCESS ? ES_OK : ES_ERR_FLASH;
}

static es_status flash_write(void *context, uint32_t offset, const void *data, uint32_t size)
{
    const uint8_t *from = data;
    es_status status = ES_OK;

    (void)context;
    if (!on_grid(offset, size)) {
        return ES_ERR_FLASH_BOUNDS;
    }
    for (; size > 0 && status == ES_OK; size -= ES_ROW_BYTES) {
        status = program_row(offset, from);
        offset += ES_ROW_BYTES;
        from += ES_ROW_BYTES;
        vTaskDelay(pdMS_TO_TICKS(BREATH_MS));
    }
    return status;
}

static es_status flash_erase(void *context, uint32_t offset, uint32_t size)
{
    (void)context;
    if (!on_grid(offset, size)) {
        return ES_ERR_FLASH_BOUNDS;
    }
    for (; size > 0; size -= ES_ROW_BYTES) {
        if (cyhal_flash_erase(&device, ES_STORE_ADDRESS + offset) != CY_RSLT_SUCCESS) {
            return ES_ERR_FLASH;
        }
        offset += ES_ROW_BYTES;
        vTaskDelay(pdMS_TO_TICKS(BREATH_MS));
    }
    return ES_OK;
}

static const uint8_t *flash_map(void *context, uint32_t offset)
{
    (void)context;
    return (const uint8_t *)(uintptr_t)(ES_STORE_ADDRESS + offset);
}

/* Whether the chip is as es_store.h says: then a block holds the whole store. */
static bool is_as_expected(void)
{
    cyhal_flash_info_t info;
    uint8_t i;

    cyhal_flash_get_info(&device, &info);
    for (i = 0; i < info.block_count; i++) {
        const cyhal_flash_block_info_t *block = &info.blocks[i];

        if (block->start_address <= ES_STORE_ADDRESS && block->size >= ES_FLASH_BYTES &&
            ES_STORE_ADDRESS - block->start_address <= block->size - ES_FLASH_BYTES) {
            return block->page_size == ES_ROW_BYTES && block->erase_value == ES_ROW_ERASED;
        }
    }
    return false;
}

bool es_flash_open(es_flash *flash)
{
    flash->context = NULL;
    flash->size = ES_FLASH_BYTES;
    flash->erase_size = ES_ROW_BYTES;
    flash->write_size = ES_ROW_BYTES;
    flash->erased = ES_ROW_ERASED;
    flash->read = flash_read;
    flash->write = flash_write;
    flash->erase = flash_erase;
    flash->map = flash_map;
    return cyhal_flash_init(&device) == CY_RSLT_SUCCESS && is_as_expected();
}
