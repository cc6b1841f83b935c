#include "trusted_set.h"

#include <string.h>

/* Reads a file and holds it against a role's keys in the trusted root. */
static es_status read_signed(const es_tuf_set *set, es_tuf_role role, const uint8_t *data, size_t size,
                             es_tuf_document *document, es_tuf_header *header)
{
    es_status status = es_tuf_document_read(document, data, size);

    if (status == ES_OK) {
        status = es_tuf_root_verify(&set->root, role, document);
    }
    return status == ES_OK ? es_tuf_header_read(header, document, role) : status;
}

static void hash_bytes(const uint8_t *data, size_t size, uint8_t digest[ES_SHA256_BYTES])
{
    es_sha256 hash;

    es_sha256_start(&hash);
    es_sha256_add(&hash, data, size);
    es_sha256_end(&hash, digest);
}

/* Length and hash of a file, as far as they are stated. */
static es_status check_bytes(const es_tuf_entry *entry, const uint8_t *data, size_t size)
{
    uint8_t digest[ES_SHA256_BYTES];

    if (entry->has_length && entry->length != size) {
        return ES_ERR_TUF_LENGTH;
    }
    if (entry->has_digest) {
        hash_bytes(data, size, digest);
        if (memcmp(digest, entry->digest, sizeof digest) != 0) {
            return ES_ERR_TUF_HASH;
        }
    }
    return ES_OK;
}

es_status es_tuf_set_open(es_tuf_set *set, const uint8_t *data, size_t size, uint64_t now)
{
    es_tuf_document document;
    es_status status;

    memset(set, 0, sizeof *set);
    set->now = now;
    status = es_tuf_document_read(&document, data, size);
    if (status == ES_OK) {
        status = es_tuf_root_read(&set->root, &document);
    }
    if (status == ES_OK) {
        status = es_tuf_root_verify(&set->root, ES_TUF_ROOT, &document);
    }
    if (status != ES_OK) {
        memset(&set->root, 0, sizeof set->root); /* trusts nobody */
    }
    return status;
}

es_status es_tuf_set_root(es_tuf_set *set, const uint8_t *data, size_t size)
{
    es_tuf_document document;
    es_status status;

    if (set->has_timestamp) {
        return ES_ERR_ARGUMENT;
    }
    status = es_tuf_document_read(&document, data, size);
    if (status == ES_OK) {
        status = es_tuf_root_verify(&set->root, ES_TUF_ROOT, &document);
    }
    if (status == ES_OK) {
        status = es_tuf_root_read(&set->candidate, &document);
    }
    if (status == ES_OK && set->candidate.header.version != set->root.header.version + 1) {
        status = ES_ERR_TUF_VERSION;
    }
    if (status == ES_OK) {
        status = es_tuf_root_verify(&set->candidate, ES_TUF_ROOT, &document);
    }
    if (status != ES_OK) {
        return status;
    }
    set->revoked = set->revoked || es_tuf_root_revokes(&set->root, &set->candidate, ES_TUF_TIMESTAMP) ||
                   es_tuf_root_revokes(&set->root, &set->candidate, ES_TUF_SNAPSHOT);
    set->root = set->candidate;
    return ES_OK;
}

es_status es_tuf_set_check_root(const es_tuf_set *set)
{
    return set->now >= set->root.header.expires ? ES_ERR_TUF_ROOT_EXPIRED : ES_OK;
}

es_status es_tuf_set_check_timestamp(const es_tuf_set *set)
{
    if (!set->has_timestamp) {
        return ES_ERR_ARGUMENT;
    }
    return set->now >= set->timestamp.expires ? ES_ERR_TUF_TIMESTAMP_EXPIRED : ES_OK;
}

es_status es_tuf_set_timestamp(es_tuf_set *set, const uint8_t *data, size_t size, bool *newer)
{
    es_tuf_document document;
    es_tuf_header header;
    es_tuf_entry entry;
    es_tuf_value meta;
    es_tuf_value value;
    uint8_t digest[ES_SHA256_BYTES];
    es_status status = es_tuf_set_check_root(set);

    *newer = false;
    if (set->has_snapshot) {
        return ES_ERR_ARGUMENT;
    }
    hash_bytes(data, size, digest);
    if (status == ES_OK && set->has_timestamp && memcmp(digest, set->timestamp_digest, sizeof digest) == 0) {
        return ES_OK;
    }
    if (status == ES_OK) {
        status = read_signed(set, ES_TUF_TIMESTAMP, data, size, &document, &header);
    }
    if (status == ES_OK) {
        status = es_tuf_meta(&document, &meta);
    }
    if (status == ES_OK) {
        status = es_tuf_value_member(&meta, "snapshot.json", &value) ? es_tuf_entry_read(&entry, &value)
                                                                    : ES_ERR_TUF_FIELD;
    }
    if (status != ES_OK) {
        return status;
    }
    if (set->has_timestamp) {
        if (header.version == set->timestamp.version) {
            return ES_OK;
        }
        if (header.version < set->timestamp.version || entry.version < set->snapshot_entry.version) {
            return ES_ERR_TUF_ROLLBACK;
        }
    }
    *newer = true;
    set->has_timestamp = true;
    set->timestamp = header;
    memcpy(set->timestamp_digest, digest, sizeof digest);
    set->snapshot_entry = entry;
    return es_tuf_set_check_timestamp(set);
}

/* Holds a snapshot's entries against those of the trusted one: rule 4. */
static es_status compare_entries(const es_tuf_set *set, const es_tuf_value *meta)
{
    es_tuf_walk walk;
    es_tuf_value name;
    es_tuf_value value;
    es_tuf_entry entry;
    size_t count = 0;
    size_t known = 0;

    es_tuf_walk_start(&walk, meta);
    while (es_tuf_walk_next(&walk, &name, &value)) {
        uint8_t hashed[ES_SHA256_BYTES];
        const es_status status = es_tuf_entry_read(&entry, &value);
        size_t i;

        if (status != ES_OK && status != ES_ERR_TUF_HASH_KIND) {
            return status;
        }
        if (count++ == ES_TUF_SNAPSHOT_ENTRIES) {
            return ES_ERR_TUF_LIMIT;
        }
        es_tuf_string_hash(&name, hashed);
        for (i = 0; i < set->announced_count; i++) {
            if (memcmp(set->announced[i].name, hashed, sizeof hashed) == 0) {
                known++;
                if (entry.version < set->announced[i].version) {
                    return ES_ERR_TUF_ROLLBACK;
                }
            }
        }
    }
    /* Names are not repeated, so each of those that were there is counted once. */
    return known < set->announced_count ? ES_ERR_TUF_VANISHED : ES_OK;
}

static void keep_entries(es_tuf_set *set, const es_tuf_value *meta)
{
    es_tuf_walk walk;
    es_tuf_value name;
    es_tuf_value value;
    es_tuf_entry entry;

    set->announced_count = 0;
    es_tuf_walk_start(&walk, meta);
    while (es_tuf_walk_next(&walk, &name, &value)) {
        es_tuf_announced *announced = &set->announced[set->announced_count++];

        (void)es_tuf_entry_read(&entry, &value);
        es_tuf_string_hash(&name, announced->name);
        announced->version = entry.version;
    }
}

/* What is wrong with the trusted snapshot as the last one, but for its bytes. */
static es_status check_snapshot(const es_tuf_set *set)
{
    if (set->now >= set->snapshot.expires) {
        return ES_ERR_TUF_SNAPSHOT_EXPIRED;
    }
    return set->snapshot.version != set->snapshot_entry.version ? ES_ERR_TUF_VERSION : ES_OK;
}

es_status es_tuf_set_snapshot(es_tuf_set *set, const uint8_t *data, size_t size, bool stored)
{
    es_tuf_document document;
    es_tuf_header header;
    es_tuf_entry entry;
    es_tuf_value meta;
    es_tuf_value value;
    es_status bytes;
    es_status status = es_tuf_set_check_timestamp(set);

    if (set->has_targets) {
        return ES_ERR_ARGUMENT;
    }
    bytes = check_bytes(&set->snapshot_entry, data, size);
    if (status == ES_OK && !stored) {
        status = bytes;
    }
    if (status == ES_OK) {
        status = read_signed(set, ES_TUF_SNAPSHOT, data, size, &document, &header);
    }
    if (status == ES_OK) {
        status = es_tuf_meta(&document, &meta);
    }
    if (status == ES_OK) {
        status = es_tuf_value_member(&meta, "targets.json", &value) ? es_tuf_entry_read(&entry, &value)
                                                                   : ES_ERR_TUF_FIELD;
    }
    if (status == ES_OK) {
        status = compare_entries(set, &meta);
    }
    if (status != ES_OK) {
        return status;
    }
    keep_entries(set, &meta);
    set->has_snapshot = true;
    set->snapshot = header;
    set->targets_entry = entry;
    status = check_snapshot(set);
    set->snapshot_status = status == ES_OK ? bytes : status;
    return set->snapshot_status;
}

es_status es_tuf_set_targets(es_tuf_set *set, const uint8_t *data, size_t size)
{
    es_tuf_document document;
    es_tuf_header header;
    es_tuf_value targets;
    es_status status;

    if (!set->has_snapshot || set->has_targets) {
        return ES_ERR_ARGUMENT;
    }
    status = set->snapshot_status;
    if (status == ES_OK) {
        status = check_bytes(&set->targets_entry, data, size);
    }
    if (status == ES_OK) {
        status = read_signed(set, ES_TUF_TARGETS, data, size, &document, &header);
    }
    if (status != ES_OK) {
        return status;
    }
    if (header.version != set->targets_entry.version) {
        return ES_ERR_TUF_VERSION;
    }
    if (set->now >= header.expires) {
        return ES_ERR_TUF_TARGETS_EXPIRED;
    }
    if (!es_tuf_value_member(&document.content, "targets", &targets) || targets.kind != ES_JSON_OBJECT) {
        return ES_ERR_TUF_FIELD;
    }
    set->has_targets = true;
    set->targets = header;
    return ES_OK;
}
