/* What is kept of a root: its keys in compact form, and which role each is for. */
#ifndef ES_OTA_TUF_KEYRING_H
#define ES_OTA_TUF_KEYRING_H

#include "limits.h"
#include "metadata.h"

typedef struct {
    uint8_t id[ES_SHA256_BYTES]; /* SHA-256 of the key id's text, which means nothing by itself */
    uint8_t point[ES_P256_POINT_BYTES];
    uint8_t roles; /* bit r: a key of role r */
    bool usable;   /* an ECDSA P-256 key; others count for no threshold */
} es_tuf_key;

typedef struct {
    es_tuf_header header;
    bool consistent; /* consistent_snapshot: file names carry versions and digests */
    uint8_t count;
    uint8_t threshold[ES_TUF_ROLES]; /* 255 for more */
    es_tuf_key keys[ES_TUF_KEYS];
} es_tuf_root;

/* Reads a root's content. Keys that no role of the four names are left out;
 * keys of a type, scheme or form that is not understood are no fault. */
es_status es_tuf_root_read(es_tuf_root *root, const es_tuf_document *document);

/* Whether enough of the role's keys signed the document: ES_ERR_TUF_THRESHOLD
 * if not. A key counts once, whatever key ids it has. Signatures by other keys
 * and signatures that are not valid do no harm; a key id that signs twice does:
 * ES_ERR_TUF_KEYID. */
es_status es_tuf_root_verify(const es_tuf_root *root, es_tuf_role role, const es_tuf_document *document);

/* Whether a key that the role had in `before` is no longer one of it in `after`. */
bool es_tuf_root_revokes(const es_tuf_root *before, const es_tuf_root *after, es_tuf_role role);

#endif
