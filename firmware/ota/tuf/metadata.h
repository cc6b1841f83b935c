/* A metadata file, and the fields that the client needs of it. Nothing here
 * says that a file is to be trusted: see keyring.h and trusted_set.h. */
#ifndef ES_OTA_TUF_METADATA_H
#define ES_OTA_TUF_METADATA_H

#include "../../crypto/crypto.h"
#include "value.h"

typedef enum { ES_TUF_ROOT, ES_TUF_TIMESTAMP, ES_TUF_SNAPSHOT, ES_TUF_TARGETS } es_tuf_role;
#define ES_TUF_ROLES 4

/* "root", "timestamp", "snapshot", "targets". */
const char *es_tuf_role_name(es_tuf_role role);

/* {"signed": …, "signatures": […]} */
typedef struct {
    es_tuf_value content;    /* "signed" */
    es_tuf_value signatures; /* an array */
    uint8_t digest[ES_SHA256_BYTES]; /* of the content's canonical form */
} es_tuf_document;

/* What every role's content begins with. */
typedef struct {
    uint32_t version; /* 1 to 2^31 - 1 */
    uint64_t expires; /* seconds since 1970 */
} es_tuf_header;

/* What one file says about another. */
typedef struct {
    uint32_t version;
    uint32_t length; /* of the file, where has_length */
    bool has_length;
    bool has_digest;
    uint8_t digest[ES_SHA256_BYTES]; /* SHA-256 of the file, where has_digest */
} es_tuf_entry;

typedef struct {
    uint32_t length;
    uint8_t digest[ES_SHA256_BYTES];
    const char *custom; /* the JSON object of the target's "custom" as it stands in the file, or NULL */
    size_t custom_size;
} es_tuf_target;

/* Checks all of the text and hashes the canonical form of its content. */
es_status es_tuf_document_read(es_tuf_document *document, const uint8_t *data, size_t size);

/* _type must be the role's name and spec_version 1.x. */
es_status es_tuf_header_read(es_tuf_header *header, const es_tuf_document *document, es_tuf_role role);

/* The values of a snapshot's or timestamp's "meta". */
es_status es_tuf_meta(const es_tuf_document *document, es_tuf_value *meta);

/* One value of "meta". Hashes without a sha256 are ES_ERR_TUF_HASH_KIND. */
es_status es_tuf_entry_read(es_tuf_entry *entry, const es_tuf_value *value);

/* Finds a target by its path in a targets file; delegations are not followed.
 * ES_ERR_TUF_TARGET where it is not listed. */
es_status es_tuf_target_find(es_tuf_target *target, const uint8_t *data, size_t size, const char *path);

/* SHA-256 of a string's text: a name of one length for what may have any. */
void es_tuf_string_hash(const es_tuf_value *string, uint8_t out[ES_SHA256_BYTES]);

/* The bytes of a string of hexadecimal digits, at most `room` of them. */
bool es_tuf_hex(const es_tuf_value *string, uint8_t *out, size_t room, size_t *size);

#endif
