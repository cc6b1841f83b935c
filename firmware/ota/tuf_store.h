/* Trusted metadata in flash: root, timestamp and snapshot, each replaced so that
 * a power cut leaves the old file or the new one.
 *
 * Four banks for three roles: a file goes to a bank that holds no role's newest
 * one, so what counts is never erased before its successor is complete. A bank
 * is a header of ES_BANK_HEADER bytes, written last, and the file behind it; the
 * header's SHA-256 is over its own fields and the file. Of a role's sound banks
 * the one with the highest sequence number counts.
 *
 * Targets are not kept: the snapshot says which version counts, and that is what
 * protects against an older one. They are fetched when the timestamp has changed. */
#ifndef ES_OTA_TUF_STORE_H
#define ES_OTA_TUF_STORE_H

#include "journal.h"
#include "tuf/refresh.h"

#define ES_BANK_HEADER 512u
#define ES_STORED_FILE_BYTES (ES_BANK_BYTES - ES_BANK_HEADER)

/* The store of es_tuf_client over this flash; nothing but the flash has a state.
 * ES_ERR_TUF_STORE for a file that is larger than ES_STORED_FILE_BYTES. */
void es_tuf_store_open(es_tuf_store *store, const es_flash *flash);

#endif
