/* What the client trusts, and every rule by which it comes to trust more.
 * Without I/O: files' bytes go in, a status comes out.
 *
 *   1. Files go in in this order: root, newer roots, timestamp, snapshot,
 *      targets. One that comes too early or too late is ES_ERR_ARGUMENT.
 *   2. A file counts only if enough of its role's keys signed the canonical
 *      form of its content: keys of the trusted root, and for a new root those
 *      of the new root as well. Its _type must be its role.
 *   3. A new root's version is the trusted one's plus one. Roots on the way may
 *      have expired; the last one may not when a timestamp comes.
 *   4. No version goes down: timestamp, the snapshot that it announces, and
 *      every file that a snapshot announces. None of the latter vanishes. Of a
 *      timestamp with the same version, the one that is there stays.
 *   5. A timestamp that has expired, and a snapshot that has expired or is not
 *      the one that the timestamp announces, serve for rule 4 alone: a newer
 *      one can take their place, and nothing that follows them goes in.
 *   6. Snapshot and targets have the version, and the length and SHA-256 where
 *      those are stated, that the file before them announces. Targets that have
 *      expired are refused.
 *   7. Where a new root takes a key away from timestamp or snapshot, `revoked`
 *      says so: what was stored of both must not go in, so that versions that a
 *      thief of the key pushed up do not stand in the way of true ones.
 *
 * A file that is refused changes nothing, but for rule 5. Time is one number,
 * set when the set is opened. Delegations are neither followed nor a fault. */
#ifndef ES_OTA_TUF_TRUSTED_SET_H
#define ES_OTA_TUF_TRUSTED_SET_H

#include "keyring.h"

/* A file that the trusted snapshot announces. */
typedef struct {
    uint8_t name[ES_SHA256_BYTES]; /* SHA-256 of its name */
    uint32_t version;
} es_tuf_announced;

typedef struct {
    uint64_t now; /* seconds since 1970 */
    es_tuf_root root;
    es_tuf_root candidate; /* a root that is being judged */
    bool revoked;
    bool has_timestamp;
    bool has_snapshot;
    bool has_targets;
    es_tuf_header timestamp;
    uint8_t timestamp_digest[ES_SHA256_BYTES]; /* of the file's bytes */
    es_tuf_header snapshot;
    es_tuf_header targets;
    es_status snapshot_status; /* what is wrong with it by rule 5 */
    es_tuf_entry snapshot_entry; /* by the timestamp */
    es_tuf_entry targets_entry;  /* by the snapshot */
    size_t announced_count;
    es_tuf_announced announced[ES_TUF_SNAPSHOT_ENTRIES];
} es_tuf_set;

/* Begins with a root that is trusted because of where it comes from; it must be
 * signed by itself all the same, and may have expired. After an error nothing else
 * goes in. */
es_status es_tuf_set_open(es_tuf_set *set, const uint8_t *data, size_t size, uint64_t now);

es_status es_tuf_set_root(es_tuf_set *set, const uint8_t *data, size_t size);

/* ES_OK, or what is wrong with the trusted root or timestamp as the last one. */
es_status es_tuf_set_check_root(const es_tuf_set *set);
es_status es_tuf_set_check_timestamp(const es_tuf_set *set);

/* *newer is false where the version is the trusted one's, which stays. The very
 * file that is trusted is known by its bytes: no signature is verified again. */
es_status es_tuf_set_timestamp(es_tuf_set *set, const uint8_t *data, size_t size, bool *newer);

/* `stored` is for a snapshot that was trusted before: it goes in by rule 5 even
 * where its bytes are not the announced ones. */
es_status es_tuf_set_snapshot(es_tuf_set *set, const uint8_t *data, size_t size, bool stored);

es_status es_tuf_set_targets(es_tuf_set *set, const uint8_t *data, size_t size);

#endif
