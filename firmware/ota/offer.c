#include "offer.h"

#include <string.h>

#include "journal.h"
#include "rollout.h"

enum { SALT_BYTES = 16, FRONTEND_BYTES = 63 };

bool es_offer_fits(uint32_t size)
{
    /* Infineon's agent loses the last byte of the second kind: no image has that size. */
    return size > 0 && size <= ES_SLOT_BYTES && size % ES_CHUNK_BYTES != 1;
}

void es_offer_of_job(es_offer *offer, const es_job *job)
{
    memset(offer, 0, sizeof *offer);
    offer->version = job->version;
    offer->size = job->size;
    memcpy(offer->digest, job->digest, sizeof offer->digest);
    memcpy(offer->url.host, job->server, sizeof offer->url.host);
    memcpy(offer->url.path, job->file, sizeof offer->url.path);
    offer->url.port = job->port;
    offer->url.tls = job->tls;
}

/* The text of a member; false where there is none or it does not fit. */
static bool read_text(const es_tuf_value *custom, const char *name, char *out, size_t size)
{
    es_tuf_value value;

    return es_tuf_value_member(custom, name, &value) && es_tuf_string_copy(&value, out, size);
}

static bool read_integer(const es_tuf_value *object, const char *name, uint32_t *out)
{
    es_tuf_value value;

    return es_tuf_value_member(object, name, &value) && es_tuf_integer(&value, 0, out);
}

es_status es_offer_of_target(es_offer *offer, const es_tuf_target *target, const es_offer_rules *rules)
{
    const es_tuf_value custom = {target->custom, target->custom_size, ES_JSON_OBJECT};
    es_tuf_value rollout;
    char version[ES_VERSION_TEXT];
    char board[ES_BOARD_BYTES + 1];
    char frontend[FRONTEND_BYTES + 1];
    char salt[SALT_BYTES + 1];
    uint32_t percent;
    uint32_t limit;

    memset(offer, 0, sizeof *offer);
    offer->signed_metadata = true;
    offer->size = target->length;
    memcpy(offer->digest, target->digest, sizeof offer->digest);
    if (custom.text == NULL || !read_text(&custom, "board", board, sizeof board) ||
        !read_text(&custom, "version", version, sizeof version) || !es_version_parse(version, &offer->version) ||
        !read_text(&custom, "frontend", frontend, sizeof frontend) || !read_integer(&custom, "size_limit", &limit) ||
        !es_tuf_value_member(&custom, "rollout", &rollout) || !read_integer(&rollout, "percent", &percent) ||
        percent > 100 || !read_text(&rollout, "salt", salt, sizeof salt)) {
        return ES_ERR_TARGET_CUSTOM;
    }
    if (strcmp(board, rules->board) != 0) {
        return ES_ERR_TARGET_BOARD;
    }
    if (!rules->knows_frontend(frontend)) {
        return ES_ERR_IMAGE_FRONTEND;
    }
    if (!es_offer_fits(offer->size) || offer->size > limit) {
        return ES_ERR_JOB_IMAGE_SIZE;
    }
    return es_rollout_selects(percent, salt, rules->device) ? ES_OK : ES_ERR_TARGET_ROLLOUT;
}
