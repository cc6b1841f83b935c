#include "update.h"

#include <string.h>

static void emit(es_updater *u, es_event_kind kind, const es_version *version, es_status reason)
{
    es_event e;

    memset(&e, 0, sizeof e);
    e.kind = kind;
    e.version = *version;
    e.reason = reason;
    e.http_status = u->http_status;
    u->event(u->context, &e);
}

static es_update_outcome fail(es_updater *u, es_status reason)
{
    const es_version none = {0, 0, 0};

    emit(u, ES_EVENT_ERROR, &none, reason);
    return ES_UPDATE_ERROR;
}

/* A failure that is about a file of the update metadata. */
static es_update_outcome fail_metadata(es_updater *u, es_status reason)
{
    es_event e;

    memset(&e, 0, sizeof e);
    e.kind = ES_EVENT_ERROR;
    e.reason = reason;
    e.http_status = u->follower.repository.http_status;
    e.role = es_tuf_role_name(u->follower.client.role);
    u->event(u->context, &e);
    return ES_UPDATE_ERROR;
}

static es_update_outcome reject(es_updater *u, const es_version *version, es_status reason, bool report)
{
    emit(u, ES_EVENT_REJECTED, version, reason);
    if (report) {
        es_report_send(u, "rejected", version, reason);
    }
    return ES_UPDATE_REJECTED;
}

static void set_etag(es_record *r, const char *etag, const es_version *version, uint8_t offer)
{
    memset(r->etag, 0, sizeof r->etag);
    memcpy(r->etag, etag, strlen(etag));
    r->offered = *version;
    r->offer = offer;
    r->timestamp_expires = 0;
}

/* Makes `next` the state, with the time that is known. */
static es_status commit(es_updater *u, es_record *next)
{
    next->time = u->time > next->time ? u->time : next->time;
    return es_journal_commit(&u->journal, next);
}

/* Forgets what was judged by another signing key. */
static es_status adopt_key(es_updater *u)
{
    es_record next = u->journal.state;
    es_sha256 h;

    es_sha256_start(&h);
    es_sha256_add(&h, u->key, sizeof u->key);
    es_sha256_end(&h, next.key_digest);
    if (memcmp(next.key_digest, u->journal.state.key_digest, sizeof next.key_digest) == 0) {
        return ES_OK;
    }
    memset(next.rejected, 0, sizeof next.rejected);
    set_etag(&next, "", &next.offered, ES_OFFER_NONE);
    return commit(u, &next);
}

static es_status verify_slot(es_updater *u, uint8_t slot, const es_slot_content *content, es_image *image)
{
    es_image_rules rules;

    rules.key = u->key;
    rules.board = u->board;
    rules.knows_frontend = u->knows_frontend;
    rules.version = content->version;
    rules.least_counter = u->journal.state.security_counter;
    return es_image_verify(image, u->flash, es_slot_offset(slot), content->size, &rules);
}

es_status es_update_find_model(es_updater *u, es_image *image)
{
    const es_status status = es_journal_open(&u->journal, u->flash);
    const es_record *r = &u->journal.state;

    if (status != ES_OK) {
        return status;
    }
    return r->confirmed_slot == ES_NO_SLOT ? ES_ERR_NO_MODEL
                                           : verify_slot(u, r->confirmed_slot, &r->confirmed, image);
}

static es_update_outcome give_up_trial(es_updater *u, es_status reason)
{
    const es_slot_content content = u->journal.state.trial;
    es_record next = u->journal.state;
    es_status status;

    next.trial_slot = ES_NO_SLOT;
    next.trial_starts = 0;
    next.offer = next.offer == ES_OFFER_NONE ? ES_OFFER_NONE : ES_OFFER_REJECTED;
    es_record_reject(&next, content.digest);
    status = commit(u, &next);
    return status != ES_OK ? fail(u, status) : reject(u, &content.version, reason, true);
}

/* Runs the model on trial, as often as the journal's record says it was
 * started. */
static es_update_outcome run_trial(es_updater *u)
{
    const es_slot_content content = u->journal.state.trial;
    const uint8_t slot = u->journal.state.trial_slot;
    es_record next;
    es_image image;
    es_status status = verify_slot(u, slot, &content, &image);

    if (status == ES_OK) {
        emit(u, ES_EVENT_TRIAL, &content.version, ES_OK);
        es_report_send(u, "trial", &content.version, ES_OK);
        status = u->self_test(u->context, u->flash->map(u->flash->context, image.payload), image.payload_size);
    }
    if (status != ES_OK) {
        return give_up_trial(u, status);
    }
    next = u->journal.state;
    next.confirmed = content;
    next.confirmed_slot = slot;
    next.security_counter = image.counter;
    next.trial_slot = ES_NO_SLOT;
    next.trial_starts = 0;
    status = commit(u, &next);
    if (status != ES_OK) {
        return fail(u, status);
    }
    emit(u, ES_EVENT_CONFIRMED, &content.version, ES_OK);
    es_report_send(u, "confirmed", &content.version, ES_OK);
    return ES_UPDATE_CONFIRMED;
}

/* A trial that a reset interrupted: again, but not for ever. */
static es_update_outcome resume_trial(es_updater *u)
{
    es_record next = u->journal.state;
    es_status status;

    if (next.trial_starts >= ES_TRIAL_STARTS) {
        return give_up_trial(u, ES_ERR_TRIALS);
    }
    next.trial_starts++;
    status = commit(u, &next);
    return status != ES_OK ? fail(u, status) : run_trial(u);
}

/* <releases>/<board>/ota_update.json */
static bool document_url(const es_updater *u, es_url *url)
{
    static const char file[] = "/ota_update.json";
    size_t used = strlen(u->releases.path);
    const size_t board = strlen(u->board);

    *url = u->releases;
    if (used > 0 && url->path[used - 1] == '/') {
        used--;
    }
    if (used + 1 + board + sizeof file > sizeof url->path) {
        return false;
    }
    url->path[used] = '/';
    memcpy(url->path + used + 1, u->board, board);
    memcpy(url->path + used + 1 + board, file, sizeof file);
    return true;
}

/* Writes a chunk of the image; the last one is filled up to the write grid. */
static es_status store_chunk(es_updater *u, uint32_t offset, uint32_t size)
{
    const es_flash *f = u->flash;
    const uint32_t grid = f->write_size;
    const uint32_t padded = (size + grid - 1) / grid * grid;

    memset(u->buffer + size, f->erased, padded - size);
    return f->write(f->context, offset, u->buffer, padded);
}

static void emit_progress(es_updater *u, uint32_t received)
{
    es_event e;

    memset(&e, 0, sizeof e);
    e.kind = ES_EVENT_DOWNLOADING;
    e.version = u->offer.version;
    e.size = u->offer.size;
    e.received = received;
    u->event(u->context, &e);
}

/* Fetches one chunk into u->buffer. */
static es_status fetch_chunk(es_updater *u, uint32_t first, uint32_t size)
{
    es_http_answer answer;
    es_status status;

    memset(&answer, 0, sizeof answer);
    status = es_http_get_range(&u->http, &u->offer.url, first, first + size - 1, u->buffer, &answer);
    u->http_status = answer.status;
    if (answer.has_range && answer.range_total != u->offer.size) {
        return ES_ERR_DOWNLOAD_SIZE;
    }
    return status;
}

/* How much of the offered image is in the slot already. */
static uint32_t downloaded(const es_updater *u)
{
    const es_record *r = &u->journal.state;

    return memcmp(r->download_digest, u->offer.digest, sizeof r->download_digest) == 0 &&
                   r->downloaded < u->offer.size && r->downloaded % u->flash->erase_size == 0
               ? r->downloaded
               : 0;
}

static es_status note_download(es_updater *u, uint32_t done)
{
    es_record next = u->journal.state;

    next.downloaded = done;
    memcpy(next.download_digest, u->offer.digest, sizeof next.download_digest);
    return commit(u, &next);
}

/* Forgets a download before its slot is written anew. */
static es_status forget_download(es_updater *u)
{
    es_record next = u->journal.state;

    if (next.downloaded == 0) {
        return ES_OK;
    }
    next.downloaded = 0;
    return commit(u, &next);
}

/* Hashes what is in the slot: it counts for nothing but what it is now. */
static es_status hash_stored(es_updater *u, uint32_t base, uint32_t size, es_sha256 *h)
{
    const es_flash *f = u->flash;
    uint32_t at;

    for (at = 0; at < size; at += ES_CHUNK_BYTES) {
        const es_status status = f->read(f->context, base + at, u->buffer, ES_CHUNK_BYTES);

        if (status != ES_OK) {
            return status;
        }
        es_sha256_add(h, u->buffer, ES_CHUNK_BYTES);
    }
    return ES_OK;
}

/* Downloads the image into a slot, hashing it on its way; goes on where a reset
 * has ended a download of the same image. */
static es_status download(es_updater *u, uint8_t slot)
{
    const es_flash *f = u->flash;
    const uint32_t base = es_slot_offset(slot);
    uint32_t done = downloaded(u);
    uint8_t digest[ES_SHA256_BYTES];
    es_sha256 h;
    es_status status = done == 0 ? forget_download(u) : ES_OK;

    es_sha256_start(&h);
    if (status == ES_OK) {
        status = hash_stored(u, base, done, &h);
    }
    if (status == ES_OK) {
        status = f->erase(f->context, base + done, ES_SLOT_BYTES - done);
    }
    emit_progress(u, done);
    while (status == ES_OK && done < u->offer.size) {
        const uint32_t left = u->offer.size - done;
        const uint32_t n = left < ES_CHUNK_BYTES ? left : ES_CHUNK_BYTES;

        status = fetch_chunk(u, done, n);
        if (status == ES_OK) {
            es_sha256_add(&h, u->buffer, n);
            status = store_chunk(u, base + done, n);
        }
        done += n;
        if (status == ES_OK && (done % (8 * ES_CHUNK_BYTES) == 0 || done == u->offer.size)) {
            emit_progress(u, done);
        }
        if (status == ES_OK && done % ES_RESUME_BYTES == 0 && done % f->erase_size == 0 && done < u->offer.size) {
            status = note_download(u, done);
        }
    }
    if (status != ES_OK) {
        return status;
    }
    es_sha256_end(&h, digest);
    return memcmp(digest, u->offer.digest, sizeof digest) == 0 ? ES_OK : ES_ERR_DOWNLOAD_HASH;
}

/* Whether the fault is the file's own, so that another try gives the same. */
static bool is_faulty_file(es_status status)
{
    return status == ES_ERR_DOWNLOAD_HASH || status == ES_ERR_DOWNLOAD_SIZE;
}

/* Remembers the offer's digest as rejected, and its document as dealt with. */
static es_update_outcome reject_offer(es_updater *u, const char *etag, es_status reason)
{
    es_record next = u->journal.state;
    es_status status;

    es_record_reject(&next, u->offer.digest);
    next.downloaded = 0;
    set_etag(&next, etag, &u->offer.version, etag[0] == '\0' ? ES_OFFER_NONE : ES_OFFER_REJECTED);
    status = commit(u, &next);
    return status != ES_OK ? fail(u, status) : reject(u, &u->offer.version, reason, true);
}

/* Whether the failure is of this board's flash, not of the image in it. */
static bool is_flash_fault(es_status status)
{
    return status == ES_ERR_FLASH || status == ES_ERR_FLASH_BOUNDS || status == ES_ERR_FLASH_UNERASED;
}

static es_update_outcome take_offer(es_updater *u, const char *etag)
{
    const uint8_t slot = es_journal_free_slot(&u->journal);
    es_record next;
    es_slot_content content;
    es_image image;
    es_event e;
    es_status status;

    es_report_send(u, "downloading", &u->offer.version, ES_OK);
    status = download(u, slot);
    if (is_faulty_file(status)) {
        /* A transfer may have been damaged once, or what was in the slot already; twice it is the file. */
        status = forget_download(u);
        status = status == ES_OK ? download(u, slot) : status;
    }
    if (is_faulty_file(status) && u->offer.signed_metadata) {
        (void)forget_download(u);
        return fail(u, status == ES_ERR_DOWNLOAD_HASH ? ES_ERR_TUF_TARGET_HASH : ES_ERR_TUF_TARGET_LENGTH);
    }
    if (is_faulty_file(status)) {
        return reject_offer(u, etag, status);
    }
    if (status != ES_OK) {
        return fail(u, status);
    }
    content.version = u->offer.version;
    content.size = u->offer.size;
    memcpy(content.digest, u->offer.digest, sizeof content.digest);
    status = verify_slot(u, slot, &content, &image);
    if (is_flash_fault(status)) {
        return fail(u, status);
    }
    if (status != ES_OK) {
        return reject_offer(u, etag, status);
    }
    memset(&e, 0, sizeof e);
    e.kind = ES_EVENT_VERIFIED;
    e.version = content.version;
    e.digest = content.digest;
    u->event(u->context, &e);
    es_report_send(u, "verified", &content.version, ES_OK);
    next = u->journal.state;
    next.trial = content;
    next.trial_slot = slot;
    next.trial_starts = 1;
    next.downloaded = 0;
    set_etag(&next, etag, &content.version, etag[0] == '\0' ? ES_OFFER_NONE : ES_OFFER_DONE);
    status = commit(u, &next);
    return status != ES_OK ? fail(u, status) : run_trial(u);
}

/* Notes a document, or a timestamp that is good until `expires`, as dealt with, where that is news. */
static es_status note_offer(es_updater *u, const char *etag, const es_version *version, uint8_t offer, uint32_t expires)
{
    es_record next = u->journal.state;

    if (strcmp(next.etag, etag) == 0 && next.offer == offer && next.timestamp_expires == expires) {
        return ES_OK;
    }
    set_etag(&next, etag, version, offer);
    next.timestamp_expires = expires;
    return commit(u, &next);
}

/* Whether the offer is older than what the board has, or the same. */
static bool is_current(es_updater *u)
{
    const es_record *r = &u->journal.state;
    const int order = es_version_compare(&u->offer.version, &r->confirmed.version);
    es_image image;

    if (r->confirmed_slot == ES_NO_SLOT || order > 0) {
        return false;
    }
    /* The same version is taken again only where the board's copy is damaged. */
    return order < 0 || verify_slot(u, r->confirmed_slot, &r->confirmed, &image) == ES_OK;
}

/* There is nothing to do. */
static es_update_outcome stay(es_updater *u, const char *etag, uint32_t expires)
{
    const es_version version = u->journal.state.confirmed.version;
    const es_status status = note_offer(u, etag, &version, ES_OFFER_DONE, expires);

    if (status != ES_OK) {
        return fail(u, status);
    }
    emit(u, ES_EVENT_CURRENT, &version, ES_OK);
    return ES_UPDATE_CURRENT;
}

/* The offer is not for this board, however often it is asked. */
static es_update_outcome refuse(es_updater *u, const char *etag, uint32_t expires, es_status reason)
{
    const es_status status = note_offer(u, etag, &u->offer.version, ES_OFFER_REJECTED, expires);

    return status != ES_OK ? fail(u, status) : reject(u, &u->offer.version, reason, false);
}

static es_update_outcome consider_job(es_updater *u, const char *etag)
{
    es_offer_of_job(&u->offer, &u->job);
    if (u->job.available && strcmp(u->job.board, u->board) != 0) {
        return refuse(u, etag, 0, ES_ERR_JOB_BOARD);
    }
    if (!u->job.available || is_current(u)) {
        return stay(u, etag, 0);
    }
    if (es_record_is_rejected(&u->journal.state, u->offer.digest)) {
        return reject(u, &u->offer.version, ES_ERR_REJECTED_BEFORE, false);
    }
    if (u->offer.url.tls && !u->net->has_tls) {
        return fail(u, ES_ERR_TLS);
    }
    return es_offer_fits(u->offer.size) ? take_offer(u, etag) : fail(u, ES_ERR_JOB_IMAGE_SIZE);
}

/* Whether the confirmed model is there and whole: if not, all is read anew. */
static bool is_sound(es_updater *u)
{
    const es_record *r = &u->journal.state;
    es_image image;

    return r->confirmed_slot == ES_NO_SLOT || verify_slot(u, r->confirmed_slot, &r->confirmed, &image) == ES_OK;
}

/* The server says that nothing has changed. */
static es_update_outcome unchanged(es_updater *u)
{
    const es_record *r = &u->journal.state;

    if (r->offer == ES_OFFER_REJECTED) {
        return reject(u, &r->offered, ES_ERR_REJECTED_BEFORE, false);
    }
    emit(u, ES_EVENT_CURRENT, &r->confirmed.version, ES_OK);
    return ES_UPDATE_CURRENT;
}

static es_update_outcome check_job(es_updater *u)
{
    const es_record *r = &u->journal.state;
    es_http_answer answer;
    es_url url;
    const bool known = is_sound(u) && r->offer != ES_OFFER_NONE;
    es_status status;

    if (!document_url(u, &url)) {
        return fail(u, ES_ERR_URL);
    }
    memset(&answer, 0, sizeof answer);
    status = es_http_get(&u->http, &url, known ? r->etag : "", u->buffer, ES_JOB_BYTES, &answer);
    u->http_status = answer.status;
    if (status == ES_ERR_HTTP_LENGTH && answer.length > ES_JOB_BYTES) {
        status = ES_ERR_JOB_SIZE;
    }
    if (status != ES_OK) {
        return fail(u, status);
    }
    if (answer.status == 304) {
        return unchanged(u);
    }
    status = es_job_parse(&u->job, (const char *)u->buffer, answer.length);
    return status != ES_OK ? fail(u, status) : consider_job(u, answer.etag);
}

/* The candidate where it is one for this board, else the stable image. What is
 * taken is not noted as dealt with: where it is rejected on trial, the next
 * attempt must look at the other one. */
static es_update_outcome consider_targets(es_updater *u, const char *etag)
{
    const es_record *r = &u->journal.state;
    const uint32_t expires = es_follow_expires(&u->follower);
    es_offer_rules rules;
    es_status status;

    rules.board = u->board;
    rules.device = u->device;
    rules.knows_frontend = u->knows_frontend;
    status = es_follow_offer(&u->follower, "candidate.img", &rules, &u->offer);
    if (status == ES_OK && !is_current(u) && !es_record_is_rejected(r, u->offer.digest)) {
        return take_offer(u, "");
    }
    status = es_follow_offer(&u->follower, "model.img", &rules, &u->offer);
    if (status == ES_ERR_TARGET_BOARD || status == ES_ERR_IMAGE_FRONTEND) {
        return refuse(u, etag, expires, status);
    }
    if (status != ES_OK && status != ES_ERR_TARGET_ROLLOUT) {
        return fail_metadata(u, status);
    }
    if (status == ES_ERR_TARGET_ROLLOUT || is_current(u)) {
        return stay(u, etag, expires);
    }
    return es_record_is_rejected(r, u->offer.digest) ? refuse(u, etag, expires, ES_ERR_REJECTED_BEFORE)
                                                     : take_offer(u, "");
}

static es_update_outcome check_metadata(es_updater *u)
{
    const es_record *r = &u->journal.state;
    const uint64_t now = u->now > r->time ? u->now : r->time;
    es_http_answer answer;
    /* Word that nothing is new is only worth something while the timestamp is valid. */
    const bool known = is_sound(u) && r->offer != ES_OFFER_NONE && now < r->timestamp_expires;
    es_status status = es_follow_poll(&u->follower, known ? r->etag : "", &answer);

    if (status == ES_OK && answer.status == 304) {
        return unchanged(u);
    }
    if (status == ES_OK) {
        status = es_follow_refresh(&u->follower, now);
    }
    if (status != ES_OK) {
        return fail_metadata(u, status);
    }
    u->time = now < UINT32_MAX ? (uint32_t)now : UINT32_MAX;
    return consider_targets(u, answer.etag);
}

static es_update_outcome check(es_updater *u)
{
    bool has_root = false;
    const es_status status = es_follow_has_root(&u->follower, &has_root);

    emit(u, ES_EVENT_CHECKING, &u->journal.state.confirmed.version, ES_OK);
    if (status != ES_OK) {
        return fail(u, status);
    }
    return has_root || u->journal.state.follows_tuf != 0 ? check_metadata(u) : check_job(u);
}

/* What an attempt begins with. */
static es_status open_updater(es_updater *u)
{
    es_status status = es_journal_open(&u->journal, u->flash);

    u->http_status = 0;
    u->time = 0;
    es_http_open(&u->http, u->net, u->clock, u->timeout_ms);
    return status == ES_OK ? es_follow_open(&u->follower, u->flash, &u->http, &u->releases, u->buffer) : status;
}

es_status es_update_has_root(es_updater *u, bool *has)
{
    const es_status status = open_updater(u);

    *has = false;
    return status == ES_OK ? es_follow_has_root(&u->follower, has) : status;
}

es_status es_update_install_root(es_updater *u, const uint8_t *root, size_t size)
{
    es_status status = open_updater(u);
    es_record next = u->journal.state;

    if (status == ES_OK) {
        status = es_follow_install(&u->follower, root, size);
    }
    if (status == ES_OK) {
        set_etag(&next, "", &next.offered, ES_OFFER_NONE);
        next.follows_tuf = 1;
        status = commit(u, &next);
    }
    return status;
}

es_update_outcome es_update_once(es_updater *u)
{
    es_update_outcome outcome;
    es_status status = open_updater(u);

    if (status == ES_OK) {
        status = adopt_key(u);
    }
    if (status != ES_OK) {
        return fail(u, status);
    }
    outcome = u->journal.state.trial_slot != ES_NO_SLOT ? resume_trial(u) : check(u);
    es_http_close(&u->http);
    return outcome;
}
