/* The update metadata as the update client follows it: one conditional GET when
 * there is nothing new, a refresh when there is, and the targets of this board. */
#ifndef ES_OTA_FOLLOW_H
#define ES_OTA_FOLLOW_H

#include "offer.h"
#include "tuf/repository.h"
#include "tuf_store.h"

/* No file of update metadata can be larger. */
#define ES_METADATA_BYTES (16u * 1024u)
/* A timestamp file has 400 bytes, and some 200 more for each further signature. */
#define ES_TIMESTAMP_BYTES 2048u

typedef struct {
    es_tuf_client client;
    es_tuf_source source;
    es_tuf_store store;
    es_tuf_repository repository;
    es_url targets; /* the folder */
    /* What the server answered to the poll: the refresh takes it from here, so
     * that what its ETag stands for is what was judged. */
    uint8_t timestamp[ES_TIMESTAMP_BYTES];
    size_t timestamp_size;
} es_follower;

/* `buffer`: ES_METADATA_BYTES that the follower may use until the offers are
 * read. ES_ERR_URL where the releases' URL is too long. */
es_status es_follow_open(es_follower *f, const es_flash *flash, es_http *http, const es_url *releases,
                         uint8_t *buffer);

/* Whether a root is stored, that is, whether there is something to follow. */
es_status es_follow_has_root(es_follower *f, bool *has);

/* Stores a root that is trusted because of where it comes from. */
es_status es_follow_install(es_follower *f, const uint8_t *root, size_t size);

/* GET of timestamp.json: 304 where it still has this ETag (may be empty). */
es_status es_follow_poll(es_follower *f, const char *etag, es_http_answer *answer);

/* Brings the metadata up to date after a poll that was answered 200. */
es_status es_follow_refresh(es_follower *f, uint64_t now);

/* Seconds since 1970 until which the trusted timestamp is valid. */
uint32_t es_follow_expires(const es_follower *f);

/* What <board>/<name> offers, with its URL; ES_ERR_TUF_TARGET where it is not
 * listed, and what es_offer_of_target answers. */
es_status es_follow_offer(es_follower *f, const char *name, const es_offer_rules *rules, es_offer *offer);

#endif
