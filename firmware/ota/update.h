/* The update client: one attempt takes a board from its confirmed model to the
 * offered one, or leaves it where it is.
 *
 *   idle -> checking -> downloading -> verified -> trial -> confirmed
 *                 \-> current    \-> rejected (digest remembered)
 *
 * In this order, whatever comes over the network or out of the flash:
 *   1. A trial that a power cut interrupted is finished first, and given up
 *      after ES_TRIAL_STARTS starts.
 *   2. The offer must be for this board, newer than the confirmed version, and
 *      not of a rejected digest, before a byte of it is fetched. Where a root was
 *      installed, only update metadata (tuf/) makes offers, for ever: the board's
 *      candidate where the rollout has reached the board, else its stable one.
 *   3. The slot of the confirmed model is neither erased nor written.
 *   4. Nothing of an image is used before its hash and signature hold; its
 *      security counter is never below the confirmed one's.
 *   5. The model runs from the new slot only after its self-test has passed and
 *      that was committed to the journal.
 *   6. A download goes on after a reset only for the same digest, and what is in
 *      flash of it is hashed again. Time never runs backwards: it is noted where
 *      a refresh has held it to be before the timestamp's end. */
#ifndef ES_OTA_UPDATE_H
#define ES_OTA_UPDATE_H

#include "follow.h"
#include "http.h"
#include "image.h"
#include "job.h"
#include "journal.h"

#define ES_TRIAL_STARTS 3
#define ES_REPORT_TIMEOUT_MS 5000

typedef enum {
    ES_EVENT_CHECKING,
    ES_EVENT_CURRENT,
    ES_EVENT_DOWNLOADING,
    ES_EVENT_VERIFIED,
    ES_EVENT_TRIAL,
    ES_EVENT_CONFIRMED,
    ES_EVENT_REJECTED,
    ES_EVENT_ERROR
} es_event_kind;

typedef struct {
    es_event_kind kind;
    es_version version;
    uint32_t size;
    uint32_t received;
    const uint8_t *digest; /* of the file, where verified */
    es_status reason;
    unsigned http_status; /* of the last answer, where reason is about HTTP */
    const char *role;     /* of the metadata file that an error is about, or NULL */
} es_event;

typedef enum { ES_UPDATE_CURRENT, ES_UPDATE_CONFIRMED, ES_UPDATE_ERROR, ES_UPDATE_REJECTED } es_update_outcome;

typedef struct {
    /* Set by the port. */
    const es_flash *flash;
    const es_net *net;
    const es_clock *clock;
    const char *board;
    const char *device;
    bool (*knows_frontend)(const char *id);
    es_url releases;    /* where tuf/ and <board>/ota_update.json lie below its path */
    es_url reports;     /* where reports go; host "" for nowhere */
    uint32_t timeout_ms;
    uint64_t now; /* seconds since 1970 at the attempt; 0 where the port does not know */
    uint8_t key[ES_P256_SPKI_BYTES];
    uint8_t device_key[ES_P256_SCALAR_BYTES];
    void *context;
    void (*event)(void *context, const es_event *event);
    es_status (*self_test)(void *context, const uint8_t *model, uint32_t size);
    /* The client's own. */
    es_journal journal;
    es_http http;
    es_job job;
    es_offer offer;
    es_follower follower;
    uint32_t time; /* that a refresh has held good, to be noted with the next commit */
    unsigned http_status;
    uint8_t buffer[ES_METADATA_BYTES]; /* a metadata file, a document, or a part of an image */
} es_updater;

/* Whether a root is stored; and storing the root of the update metadata, which is trusted because of where it
 * comes from: from now on the board follows nothing else. What was stored under
 * another root does no harm. */
es_status es_update_has_root(es_updater *u, bool *has);
es_status es_update_install_root(es_updater *u, const uint8_t *root, size_t size);

/* One attempt, from checking to its end. */
es_update_outcome es_update_once(es_updater *u);

/* Finds the confirmed model and verifies its image anew: where it lies in
 * flash and how long it is. ES_ERR_NO_MODEL on a board without one. */
es_status es_update_find_model(es_updater *u, es_image *image);

/* Signs and sends a report; whatever happens to it, the update goes on. */
void es_report_send(es_updater *u, const char *state, const es_version *version, es_status reason);

#endif
