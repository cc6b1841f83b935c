#include "journal.h"

#include <stddef.h>
#include <string.h>

#define RECORD_MAGIC 0x314a5345u /* "ESJ1" */

/* A record is written as it lies in memory: every port is little-endian, and
 * its fields leave no gaps. */
typedef char record_has_its_size[sizeof(es_record) == ES_RECORD_BYTES ? 1 : -1];

/* CRC-32 (IEEE 802.3), bit by bit: it runs over 512 bytes a few times a day. */
static uint32_t crc32(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t crc = 0xFFFFFFFFu;
    int bit;

    for (; size > 0; size--) {
        crc ^= *p++;
        for (bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xEDB88320u & ((uint32_t)0 - (crc & 1)));
        }
    }
    return ~crc;
}

uint32_t es_flash_span(const es_flash *flash, uint32_t size)
{
    return (size + flash->erase_size - 1) / flash->erase_size * flash->erase_size;
}

static uint32_t half_offset(const es_flash *flash, uint8_t half)
{
    return ES_JOURNAL_OFFSET + half * es_flash_span(flash, ES_JOURNAL_HALF);
}

uint32_t es_bank_offset(const es_flash *flash, uint8_t bank)
{
    return half_offset(flash, 2) + bank * es_flash_span(flash, ES_BANK_BYTES);
}

static bool is_sound(const es_record *r)
{
    return r->magic == RECORD_MAGIC && r->crc == crc32(r, offsetof(es_record, crc)) &&
           (r->confirmed_slot < ES_SLOTS || r->confirmed_slot == ES_NO_SLOT) &&
           (r->trial_slot < ES_SLOTS || r->trial_slot == ES_NO_SLOT) &&
           memchr(r->etag, '\0', sizeof r->etag) != NULL && r->confirmed.size <= ES_SLOT_BYTES &&
           r->trial.size <= ES_SLOT_BYTES;
}

static bool is_erased(const es_flash *flash, const es_record *r)
{
    const uint8_t *p = (const uint8_t *)r;
    size_t i;

    for (i = 0; i < sizeof *r; i++) {
        if (p[i] != flash->erased) {
            return false;
        }
    }
    return true;
}

/* Reads one half: takes its newest sound record if it is newer than the state,
 * and answers the offset after its last record that is not erased. */
static es_status scan_half(es_journal *j, uint8_t half, bool *found, uint32_t *next)
{
    const uint32_t start = half_offset(j->flash, half);
    const uint32_t end = start + ES_JOURNAL_HALF;
    uint32_t offset;

    *next = start;
    for (offset = start; offset < end; offset += ES_RECORD_BYTES) {
        es_record r;
        const es_status status = j->flash->read(j->flash->context, offset, &r, sizeof r);

        if (status != ES_OK) {
            return status;
        }
        if (!is_erased(j->flash, &r)) {
            *next = offset + ES_RECORD_BYTES;
        }
        if (is_sound(&r) && (!*found || r.sequence > j->state.sequence)) {
            j->state = r;
            j->half = half;
            *found = true;
        }
    }
    return ES_OK;
}

es_status es_journal_open(es_journal *j, const es_flash *flash)
{
    uint32_t next[2] = {0, 0};
    bool found = false;
    uint8_t half;

    memset(j, 0, sizeof *j);
    j->flash = flash;
    for (half = 0; half < 2; half++) {
        const es_status status = scan_half(j, half, &found, &next[half]);

        if (status != ES_OK) {
            return status;
        }
    }
    if (!found) {
        j->state.magic = RECORD_MAGIC;
        j->state.confirmed_slot = ES_NO_SLOT;
        j->state.trial_slot = ES_NO_SLOT;
        /* Nothing to lose: the first commit erases half 0. */
        j->half = 1;
        j->next = 0;
        return ES_OK;
    }
    j->next = next[j->half] < half_offset(flash, j->half) + ES_JOURNAL_HALF ? next[j->half] : 0;
    return ES_OK;
}

es_status es_journal_commit(es_journal *j, const es_record *state)
{
    const es_flash *f = j->flash;
    uint8_t half = j->half;
    uint32_t offset = j->next;
    es_record r = *state;
    es_record check;
    es_status status;

    if (offset == 0) {
        half = (uint8_t)(1 - half);
        offset = half_offset(f, half);
        status = f->erase(f->context, offset, es_flash_span(f, ES_JOURNAL_HALF));
        if (status != ES_OK) {
            return status;
        }
    }
    r.magic = RECORD_MAGIC;
    r.sequence = j->state.sequence + 1;
    r.crc = crc32(&r, offsetof(es_record, crc));
    status = f->write(f->context, offset, &r, sizeof r);
    if (status == ES_OK) {
        status = f->read(f->context, offset, &check, sizeof check);
    }
    if (status == ES_OK && memcmp(&check, &r, sizeof r) != 0) {
        status = ES_ERR_FLASH;
    }
    if (status == ES_OK) {
        j->state = r;
        j->half = half;
    }
    if (half == j->half) {
        /* Also after an error: what was written by half is not erased any more. */
        j->next = offset + ES_RECORD_BYTES < half_offset(f, half) + ES_JOURNAL_HALF ? offset + ES_RECORD_BYTES : 0;
    }
    return status;
}

uint32_t es_slot_offset(uint8_t slot)
{
    return slot * ES_SLOT_BYTES;
}

uint8_t es_journal_free_slot(const es_journal *j)
{
    return j->state.confirmed_slot == 0 ? 1 : 0;
}

bool es_record_is_rejected(const es_record *r, const uint8_t digest[ES_SHA256_BYTES])
{
    unsigned i;

    for (i = 0; i < ES_REJECTED_DIGESTS; i++) {
        if (memcmp(r->rejected[i], digest, ES_SHA256_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

void es_record_reject(es_record *r, const uint8_t digest[ES_SHA256_BYTES])
{
    if (es_record_is_rejected(r, digest)) {
        return;
    }
    memmove(r->rejected[1], r->rejected[0], (ES_REJECTED_DIGESTS - 1) * ES_SHA256_BYTES);
    memcpy(r->rejected[0], digest, ES_SHA256_BYTES);
}
