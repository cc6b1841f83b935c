/* Where things lie in the 2 MB of internal flash. linker/earshot.ld and
 * flashmap/earshot_2m_ext_swap.json say the same; a test holds them together. */
#ifndef ES_STORE_H
#define ES_STORE_H

#include "ota/journal.h"

#define ES_FLASH_ADDRESS 0x10000000u
#define ES_FLASH_SIZE 0x00200000u

/* A row is what the chip erases and programs; erased bytes are 0. */
#define ES_ROW_BYTES 512u
#define ES_ROW_ERASED 0x00u

/* The factory model, linked in as a C array. */
#define ES_FACTORY_ADDRESS 0x10120000u
#define ES_FACTORY_SIZE 0x00040000u

/* Slots A and B, the journal and the banks of update metadata, up to the end of the flash. */
#define ES_STORE_ADDRESS 0x10170000u

typedef char store_ends_with_the_flash[ES_STORE_ADDRESS + ES_FLASH_BYTES == ES_FLASH_ADDRESS + ES_FLASH_SIZE ? 1 : -1];
typedef char store_is_whole_rows[ES_STORE_ADDRESS % ES_ROW_BYTES == 0 && ES_SLOT_BYTES % ES_ROW_BYTES == 0 &&
                                         ES_JOURNAL_HALF % ES_ROW_BYTES == 0 && ES_RECORD_BYTES % ES_ROW_BYTES == 0 &&
                                         ES_BANK_BYTES % ES_ROW_BYTES == 0
                                     ? 1
                                     : -1];

#endif
