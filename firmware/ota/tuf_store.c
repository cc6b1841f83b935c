#include "tuf_store.h"

#include <string.h>

#define BANK_MAGIC 0x314d5345u /* "ESM1" */

/* Written as it lies in memory: every port is little-endian. */
typedef struct {
    uint32_t magic;
    uint32_t sequence;
    uint32_t role;
    uint32_t size;
    uint8_t digest[ES_SHA256_BYTES]; /* of the fields above and the file */
} bank_header;

enum { FIELDS = 16, NO_BANK = 0xFF };

typedef char fields_have_no_gaps[sizeof(bank_header) == FIELDS + ES_SHA256_BYTES ? 1 : -1];

typedef struct {
    uint8_t newest[ES_TUF_ROLES]; /* bank of each role, or NO_BANK */
    uint32_t sequence[ES_TUF_ROLES];
    bool sound[ES_BANKS];
    uint8_t role[ES_BANKS]; /* where sound */
    uint32_t last; /* highest sequence of all */
} banks;

static es_status hash_bank(const es_flash *flash, uint32_t offset, const bank_header *header,
                           uint8_t digest[ES_SHA256_BYTES])
{
    uint8_t part[128];
    es_sha256 h;
    uint32_t at;

    es_sha256_start(&h);
    es_sha256_add(&h, header, FIELDS);
    for (at = 0; at < header->size; at += sizeof part) {
        const uint32_t left = header->size - at;
        const uint32_t n = left < sizeof part ? left : (uint32_t)sizeof part;
        const es_status status = flash->read(flash->context, offset + ES_BANK_HEADER + at, part, n);

        if (status != ES_OK) {
            return status;
        }
        es_sha256_add(&h, part, n);
    }
    es_sha256_end(&h, digest);
    return ES_OK;
}

/* *sound: whether the bank holds a whole file. */
static es_status read_bank(const es_flash *flash, uint8_t bank, bank_header *header, bool *sound)
{
    const uint32_t offset = es_bank_offset(flash, bank);
    uint8_t digest[ES_SHA256_BYTES];
    es_status status = flash->read(flash->context, offset, header, sizeof *header);

    *sound = false;
    if (status != ES_OK || header->magic != BANK_MAGIC || header->role >= ES_TUF_ROLES ||
        header->size > ES_STORED_FILE_BYTES) {
        return status;
    }
    status = hash_bank(flash, offset, header, digest);
    *sound = status == ES_OK && memcmp(digest, header->digest, sizeof digest) == 0;
    return status;
}

static es_status scan(const es_flash *flash, banks *b)
{
    uint8_t bank;

    memset(b, 0, sizeof *b);
    memset(b->newest, NO_BANK, sizeof b->newest);
    for (bank = 0; bank < ES_BANKS; bank++) {
        bank_header header;
        const es_status status = read_bank(flash, bank, &header, &b->sound[bank]);

        if (status != ES_OK) {
            return status;
        }
        if (!b->sound[bank]) {
            continue;
        }
        b->role[bank] = (uint8_t)header.role;
        if (b->newest[header.role] == NO_BANK || header.sequence > b->sequence[header.role]) {
            b->newest[header.role] = bank;
            b->sequence[header.role] = header.sequence;
        }
        b->last = header.sequence > b->last ? header.sequence : b->last;
    }
    return ES_OK;
}

static es_status load(void *context, es_tuf_role role, uint8_t *data, size_t limit, size_t *size)
{
    const es_flash *flash = context;
    bank_header header;
    bool sound;
    banks b;
    es_status status = scan(flash, &b);

    if (status != ES_OK) {
        return status;
    }
    if (b.newest[role] == NO_BANK) {
        return ES_ERR_TUF_ABSENT;
    }
    status = read_bank(flash, b.newest[role], &header, &sound);
    if (status == ES_OK && (!sound || header.size > limit)) {
        status = ES_ERR_TUF_STORE;
    }
    if (status == ES_OK) {
        *size = header.size;
        status = flash->read(flash->context, es_bank_offset(flash, b.newest[role]) + ES_BANK_HEADER, data, header.size);
    }
    return status;
}

/* Writes bytes behind one another, the last ones filled up to the write grid. */
static es_status write_padded(const es_flash *flash, uint32_t offset, const uint8_t *data, uint32_t size)
{
    const uint32_t whole = size / flash->write_size * flash->write_size;
    uint8_t last[ES_BANK_HEADER];
    es_status status = whole == 0 ? ES_OK : flash->write(flash->context, offset, data, whole);

    if (status == ES_OK && whole < size) {
        memset(last, flash->erased, sizeof last);
        memcpy(last, data + whole, size - whole);
        status = flash->write(flash->context, offset + whole, last, flash->write_size);
    }
    return status;
}

/* A bank that no role's newest file is in: there is always one more than roles that are kept. */
static uint8_t free_bank(const banks *b)
{
    uint8_t bank = 0;

    while (bank < ES_BANKS && b->sound[bank] && b->newest[b->role[bank]] == bank) {
        bank++;
    }
    return bank;
}

static es_status save(void *context, es_tuf_role role, const uint8_t *data, size_t size)
{
    const es_flash *flash = context;
    bank_header header;
    bool sound;
    uint32_t offset;
    uint8_t bank;
    banks b;
    es_sha256 h;
    es_status status;

    if (role == ES_TUF_TARGETS) {
        return ES_OK;
    }
    status = size > ES_STORED_FILE_BYTES ? ES_ERR_TUF_STORE : scan(flash, &b);
    if (status != ES_OK) {
        return status;
    }
    bank = free_bank(&b);
    if (bank == ES_BANKS) {
        return ES_ERR_TUF_STORE;
    }
    offset = es_bank_offset(flash, bank);
    header.magic = BANK_MAGIC;
    header.sequence = b.last + 1;
    header.role = (uint32_t)role;
    header.size = (uint32_t)size;
    es_sha256_start(&h);
    es_sha256_add(&h, &header, FIELDS);
    es_sha256_add(&h, data, size);
    es_sha256_end(&h, header.digest);
    status = flash->erase(flash->context, offset, es_flash_span(flash, ES_BANK_BYTES));
    if (status == ES_OK) {
        status = write_padded(flash, offset + ES_BANK_HEADER, data, (uint32_t)size);
    }
    if (status == ES_OK) {
        status = write_padded(flash, offset, (const uint8_t *)&header, sizeof header);
    }
    if (status == ES_OK) {
        status = read_bank(flash, bank, &header, &sound);
        status = status == ES_OK && !sound ? ES_ERR_TUF_STORE : status;
    }
    return status;
}

/* The oldest first: a cut in between leaves the newest, not one that was replaced. */
static es_status discard(void *context, es_tuf_role role)
{
    const es_flash *flash = context;
    banks b;
    es_status status = scan(flash, &b);
    uint8_t bank;

    for (bank = 0; bank < ES_BANKS && status == ES_OK; bank++) {
        if (b.sound[bank] && b.role[bank] == (uint8_t)role && b.newest[role] != bank) {
            status = flash->erase(flash->context, es_bank_offset(flash, bank), es_flash_span(flash, ES_BANK_BYTES));
        }
    }
    if (status == ES_OK && b.newest[role] != NO_BANK) {
        status = flash->erase(flash->context, es_bank_offset(flash, b.newest[role]), es_flash_span(flash, ES_BANK_BYTES));
    }
    return status;
}

void es_tuf_store_open(es_tuf_store *store, const es_flash *flash)
{
    /* It is only read: a flash is what its functions make of it. */
    store->context = (void *)(uintptr_t)flash;
    store->load = load;
    store->save = save;
    store->discard = discard;
}
