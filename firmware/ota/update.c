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
    return es_journal_commit(&u->journal, &next);
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
    status = es_journal_commit(&u->journal, &next);
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
    status = es_journal_commit(&u->journal, &next);
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
    status = es_journal_commit(&u->journal, &next);
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

    memset(u->chunk + size, f->erased, padded - size);
    return f->write(f->context, offset, u->chunk, padded);
}

static void emit_progress(es_updater *u, uint32_t received)
{
    es_event e;

    memset(&e, 0, sizeof e);
    e.kind = ES_EVENT_DOWNLOADING;
    e.version = u->job.version;
    e.size = u->job.size;
    e.received = received;
    u->event(u->context, &e);
}

/* Fetches one chunk into u->chunk. */
static es_status fetch_chunk(es_updater *u, const es_url *url, uint32_t first, uint32_t size)
{
    es_http_answer answer;
    es_status status;

    memset(&answer, 0, sizeof answer);
    status = es_http_get_range(&u->http, url, first, first + size - 1, u->chunk, &answer);
    u->http_status = answer.status;
    if (answer.has_range && answer.range_total != u->job.size) {
        return ES_ERR_DOWNLOAD_SIZE;
    }
    return status;
}

/* Downloads the image into a slot, hashing it on its way. */
static es_status download(es_updater *u, uint8_t slot)
{
    const es_flash *f = u->flash;
    const uint32_t base = es_slot_offset(slot);
    uint8_t digest[ES_SHA256_BYTES];
    es_status status = f->erase(f->context, base, ES_SLOT_BYTES);
    uint32_t done = 0;
    es_sha256 h;
    es_url url;

    memset(&url, 0, sizeof url);
    memcpy(url.host, u->job.server, sizeof url.host);
    memcpy(url.path, u->job.file, sizeof url.path);
    url.port = u->job.port;
    url.tls = u->job.tls;
    es_sha256_start(&h);
    emit_progress(u, 0);
    while (status == ES_OK && done < u->job.size) {
        const uint32_t left = u->job.size - done;
        const uint32_t n = left < ES_CHUNK_BYTES ? left : ES_CHUNK_BYTES;

        status = fetch_chunk(u, &url, done, n);
        if (status == ES_OK) {
            es_sha256_add(&h, u->chunk, n);
            status = store_chunk(u, base + done, n);
        }
        done += n;
        if (status == ES_OK && (done % (8 * ES_CHUNK_BYTES) == 0 || done == u->job.size)) {
            emit_progress(u, done);
        }
    }
    if (status != ES_OK) {
        return status;
    }
    es_sha256_end(&h, digest);
    return memcmp(digest, u->job.digest, sizeof digest) == 0 ? ES_OK : ES_ERR_DOWNLOAD_HASH;
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

    es_record_reject(&next, u->job.digest);
    set_etag(&next, etag, &u->job.version, ES_OFFER_REJECTED);
    status = es_journal_commit(&u->journal, &next);
    return status != ES_OK ? fail(u, status) : reject(u, &u->job.version, reason, true);
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

    es_report_send(u, "downloading", &u->job.version, ES_OK);
    status = download(u, slot);
    if (is_faulty_file(status)) {
        /* A transfer may have been damaged once; twice it is the file. */
        status = download(u, slot);
    }
    if (is_faulty_file(status)) {
        return reject_offer(u, etag, status);
    }
    if (status != ES_OK) {
        return fail(u, status);
    }
    content.version = u->job.version;
    content.size = u->job.size;
    memcpy(content.digest, u->job.digest, sizeof content.digest);
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
    set_etag(&next, etag, &content.version, etag[0] == '\0' ? ES_OFFER_NONE : ES_OFFER_DONE);
    status = es_journal_commit(&u->journal, &next);
    return status != ES_OK ? fail(u, status) : run_trial(u);
}

/* Notes a document as dealt with, where that is news. */
static es_status note_offer(es_updater *u, const char *etag, const es_version *version, uint8_t offer)
{
    es_record next = u->journal.state;

    if (strcmp(next.etag, etag) == 0 && next.offer == offer) {
        return ES_OK;
    }
    set_etag(&next, etag, version, offer);
    return es_journal_commit(&u->journal, &next);
}

/* Whether the offer is older than what the board has, or the same. */
static bool is_current(es_updater *u)
{
    const es_record *r = &u->journal.state;
    const int order = es_version_compare(&u->job.version, &r->confirmed.version);
    es_image image;

    if (r->confirmed_slot == ES_NO_SLOT || order > 0) {
        return false;
    }
    /* The same version is taken again only where the board's copy is damaged. */
    return order < 0 || verify_slot(u, r->confirmed_slot, &r->confirmed, &image) == ES_OK;
}

static es_update_outcome consider_offer(es_updater *u, const char *etag)
{
    const es_record *r = &u->journal.state;
    es_status status;

    if (u->job.available && strcmp(u->job.board, u->board) != 0) {
        status = note_offer(u, etag, &u->job.version, ES_OFFER_REJECTED);
        return status != ES_OK ? fail(u, status) : reject(u, &u->job.version, ES_ERR_JOB_BOARD, false);
    }
    if (!u->job.available || is_current(u)) {
        status = note_offer(u, etag, &r->confirmed.version, ES_OFFER_DONE);
        if (status != ES_OK) {
            return fail(u, status);
        }
        emit(u, ES_EVENT_CURRENT, &r->confirmed.version, ES_OK);
        return ES_UPDATE_CURRENT;
    }
    if (es_record_is_rejected(r, u->job.digest)) {
        return reject(u, &u->job.version, ES_ERR_REJECTED_BEFORE, false);
    }
    if (u->job.tls && !u->net->has_tls) {
        return fail(u, ES_ERR_TLS);
    }
    if (u->job.size > ES_SLOT_BYTES || u->job.size % ES_CHUNK_BYTES == 1) {
        return fail(u, ES_ERR_JOB_IMAGE_SIZE);
    }
    return take_offer(u, etag);
}

static es_update_outcome check(es_updater *u)
{
    const es_record *r = &u->journal.state;
    es_http_answer answer;
    es_image image;
    es_url url;
    /* Where the confirmed model is damaged, the document must be read anew. */
    const bool sound = r->confirmed_slot == ES_NO_SLOT || verify_slot(u, r->confirmed_slot, &r->confirmed, &image) == ES_OK;
    es_status status;

    emit(u, ES_EVENT_CHECKING, &r->confirmed.version, ES_OK);
    if (!document_url(u, &url)) {
        return fail(u, ES_ERR_URL);
    }
    memset(&answer, 0, sizeof answer);
    status = es_http_get(&u->http, &url, sound && r->offer != ES_OFFER_NONE ? r->etag : "", u->chunk, ES_JOB_BYTES, &answer);
    u->http_status = answer.status;
    if (status == ES_ERR_HTTP_LENGTH && answer.length > ES_JOB_BYTES) {
        status = ES_ERR_JOB_SIZE;
    }
    if (status != ES_OK) {
        return fail(u, status);
    }
    if (answer.status == 304) {
        if (r->offer == ES_OFFER_REJECTED) {
            return reject(u, &r->offered, ES_ERR_REJECTED_BEFORE, false);
        }
        emit(u, ES_EVENT_CURRENT, &r->confirmed.version, ES_OK);
        return ES_UPDATE_CURRENT;
    }
    status = es_job_parse(&u->job, (const char *)u->chunk, answer.length);
    return status != ES_OK ? fail(u, status) : consider_offer(u, answer.etag);
}

es_update_outcome es_update_once(es_updater *u)
{
    es_update_outcome outcome;
    es_status status = es_journal_open(&u->journal, u->flash);

    u->http_status = 0;
    es_http_open(&u->http, u->net, u->clock, u->timeout_ms);
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
