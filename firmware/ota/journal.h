/* What the board must remember over a power cut: which slot holds the confirmed
 * model, what is on trial, what was rejected, and counters that only grow.
 *
 * The whole state is one record; a change appends a new one with the next
 * sequence number and a CRC, and the valid record with the highest number is
 * the state. Records fill one half of the journal, then the other: the half
 * with the state is never erased. So a write or an erase that is torn leaves
 * the state before it. Model data is never moved: slots A and B take turns. */
#ifndef ES_OTA_JOURNAL_H
#define ES_OTA_JOURNAL_H

#include "../crypto/crypto.h"
#include "../hal/flash.h"
#include "version.h"

#define ES_SLOT_BYTES (256u * 1024u)
#define ES_SLOTS 2
#define ES_JOURNAL_OFFSET (ES_SLOTS * ES_SLOT_BYTES)
#define ES_JOURNAL_HALF (16u * 1024u)
/* Banks of update metadata (tuf_store.h), behind the journal. */
#define ES_BANKS 4
#define ES_BANK_BYTES (8u * 1024u)
/* Of a flash whose erase blocks are not larger than a bank. */
#define ES_FLASH_BYTES (ES_JOURNAL_OFFSET + 2 * ES_JOURNAL_HALF + ES_BANKS * ES_BANK_BYTES)
#define ES_RECORD_BYTES 512u
#define ES_NO_SLOT 0xFF
/* Images are fetched in such parts, and a download is noted after so many bytes of it. */
#define ES_CHUNK_BYTES 4096u
#define ES_RESUME_BYTES (32u * 1024u)
#define ES_REJECTED_DIGESTS 5
#define ES_ETAG_BYTES 79

/* What a slot holds. */
typedef struct {
    es_version version;
    uint32_t size; /* of the image file */
    uint8_t digest[ES_SHA256_BYTES];
} es_slot_content;

/* How the last job document that was fully dealt with ended. */
enum { ES_OFFER_NONE = 0, ES_OFFER_DONE = 1, ES_OFFER_REJECTED = 2 };

typedef struct {
    uint32_t magic;
    uint32_t sequence;
    uint32_t security_counter; /* of the newest confirmed image */
    uint32_t report_counter;   /* of the last report sent */
    es_slot_content confirmed;
    es_slot_content trial;
    es_version offered; /* version of the job document with `etag` */
    uint8_t confirmed_slot; /* or ES_NO_SLOT */
    uint8_t trial_slot;     /* or ES_NO_SLOT */
    uint8_t trial_starts;
    uint8_t offer; /* ES_OFFER_ */
    char etag[ES_ETAG_BYTES + 1];
    uint8_t key_digest[ES_SHA256_BYTES]; /* SHA-256 of the signing key that rejected_digests were judged by */
    uint8_t rejected[ES_REJECTED_DIGESTS][ES_SHA256_BYTES]; /* newest first; zero is empty */
    uint32_t time;              /* seconds since 1970 that are known to have been; 0 for none */
    uint32_t timestamp_expires; /* of the update metadata's timestamp with `etag` */
    /* A download that may go on: so many bytes of this file are in the free slot. */
    uint32_t downloaded;
    uint8_t download_digest[ES_SHA256_BYTES];
    uint8_t follows_tuf; /* 1: a root was installed; job documents are of the past */
    uint8_t reserved[63];
    uint32_t crc;
} es_record;

typedef struct {
    const es_flash *flash;
    es_record state;
    uint32_t next; /* offset of the next record; 0 when the half is full or unknown */
    uint8_t half;  /* that holds the state */
} es_journal;

/* Finds the state; an empty or unreadable journal is a board without a model. */
es_status es_journal_open(es_journal *j, const es_flash *flash);

/* Makes `state` the state. After an error the old one counts. */
es_status es_journal_commit(es_journal *j, const es_record *state);

uint32_t es_slot_offset(uint8_t slot);

/* Bytes that an area of `size` takes on this flash: whole erase blocks. */
uint32_t es_flash_span(const es_flash *flash, uint32_t size);

uint32_t es_bank_offset(const es_flash *flash, uint8_t bank);

/* The slot that the next image goes to: never the confirmed one. */
uint8_t es_journal_free_slot(const es_journal *j);

bool es_record_is_rejected(const es_record *r, const uint8_t digest[ES_SHA256_BYTES]);

/* Adds a digest, forgetting the oldest where there is no room. */
void es_record_reject(es_record *r, const uint8_t digest[ES_SHA256_BYTES]);

#endif
