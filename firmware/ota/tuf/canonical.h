/* Canonical JSON (OLPC): what TUF's signatures are over.
 *
 * Members in the order of their keys' code points, no space, strings in UTF-8
 * where only " and \ are escaped, integers in decimal. The form goes into
 * SHA-256 piece by piece and is nowhere as a whole. Nothing calls itself: a
 * stack of ES_JSON_DEPTH levels holds the containers that are open. An object
 * whose keys are in order in the file, as writers put them, is read twice;
 * another one once for each of its members. */
#ifndef ES_OTA_TUF_CANONICAL_H
#define ES_OTA_TUF_CANONICAL_H

#include "../../crypto/crypto.h"
#include "value.h"

/* Adds the canonical form of a checked value to `hash`, which may be NULL where
 * only the faults matter: ES_ERR_JSON_DUPLICATE for an object with a key twice,
 * however it is spelled; ES_ERR_TUF_LIMIT for too many members out of order. */
es_status es_tuf_canonical(const es_tuf_value *value, es_sha256 *hash);

#endif
