/* A model image that a board is offered, by a job document or by a target of
 * the update metadata. */
#ifndef ES_OTA_OFFER_H
#define ES_OTA_OFFER_H

#include "http.h"
#include "job.h"
#include "tuf/metadata.h"

typedef struct {
    es_version version;
    uint32_t size;
    uint8_t digest[ES_SHA256_BYTES];
    es_url url;
    /* Size and digest come from signed metadata: where the server has another
     * file, that is the server's fault and not the image's. */
    bool signed_metadata;
} es_offer;

/* Whom a target must be meant for. */
typedef struct {
    const char *board;
    const char *device;
    bool (*knows_frontend)(const char *id);
} es_offer_rules;

/* A job document that says that there is an update. */
void es_offer_of_job(es_offer *offer, const es_job *job);

/* Reads a target of the update metadata; its URL is the caller's to set.
 * What is there to be read is set in any case but ES_ERR_TARGET_CUSTOM, and
 * says whether the target is for this board:
 *   ES_ERR_TARGET_BOARD, ES_ERR_IMAGE_FRONTEND, ES_ERR_JOB_IMAGE_SIZE;
 *   ES_ERR_TARGET_ROLLOUT where its rollout has not reached the board yet. */
es_status es_offer_of_target(es_offer *offer, const es_tuf_target *target, const es_offer_rules *rules);

/* Whether an image of this size can be fetched and held. */
bool es_offer_fits(uint32_t size);

#endif
