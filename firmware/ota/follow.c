#include "follow.h"

#include <string.h>

static const char timestamp_name[] = "timestamp.json";

/* <folder>/<name>, whether the folder ends with a slash or not. */
static bool join(es_url *url, const es_url *folder, const char *name)
{
    size_t used = strlen(folder->path);
    const size_t size = strlen(name) + 1;

    *url = *folder;
    while (used > 0 && url->path[used - 1] == '/') {
        used--;
    }
    if (used + 1 + size > sizeof url->path) {
        return false;
    }
    url->path[used] = '/';
    memcpy(url->path + used + 1, name, size);
    return true;
}

/* The timestamp that the poll has brought; anything else from the server. */
static es_status fetch_metadata(void *context, const char *name, uint8_t *data, size_t limit, size_t *size)
{
    es_follower *f = context;

    if (strcmp(name, timestamp_name) != 0) {
        return es_tuf_repository_fetch(&f->repository, name, data, limit, size);
    }
    if (f->timestamp_size == 0 || f->timestamp_size > limit) {
        return ES_ERR_ARGUMENT;
    }
    memcpy(data, f->timestamp, f->timestamp_size);
    *size = f->timestamp_size;
    return ES_OK;
}

es_status es_follow_open(es_follower *f, const es_flash *flash, es_http *http, const es_url *releases, uint8_t *buffer)
{
    memset(f, 0, sizeof *f);
    f->source.context = f;
    f->source.fetch = fetch_metadata;
    es_tuf_store_open(&f->store, flash);
    f->client.source = &f->source;
    f->client.store = &f->store;
    f->client.buffer = buffer;
    f->client.buffer_size = ES_METADATA_BYTES;
    f->repository.http = http;
    return join(&f->repository.metadata, releases, "tuf/metadata") && join(&f->targets, releases, "tuf/targets")
               ? ES_OK
               : ES_ERR_URL;
}

es_status es_follow_has_root(es_follower *f, bool *has)
{
    size_t size;
    const es_status status = f->store.load(f->store.context, ES_TUF_ROOT, f->client.buffer, ES_METADATA_BYTES, &size);

    *has = status == ES_OK;
    return status == ES_ERR_TUF_ABSENT ? ES_OK : status;
}

es_status es_follow_install(es_follower *f, const uint8_t *root, size_t size)
{
    return es_tuf_install(&f->client, root, size);
}

es_status es_follow_poll(es_follower *f, const char *etag, es_http_answer *answer)
{
    es_url url;
    es_status status;

    f->client.role = ES_TUF_TIMESTAMP;
    memset(answer, 0, sizeof *answer);
    if (!join(&url, &f->repository.metadata, timestamp_name)) {
        return ES_ERR_URL;
    }
    status = es_http_get(f->repository.http, &url, etag, f->timestamp, sizeof f->timestamp, answer);
    f->repository.http_status = answer->status;
    f->timestamp_size = status == ES_OK && answer->status == 200 ? answer->length : 0;
    return status;
}

es_status es_follow_refresh(es_follower *f, uint64_t now)
{
    return es_tuf_refresh(&f->client, now);
}

uint32_t es_follow_expires(const es_follower *f)
{
    const uint64_t expires = f->client.set.timestamp.expires;

    return expires < UINT32_MAX ? (uint32_t)expires : UINT32_MAX;
}

es_status es_follow_offer(es_follower *f, const char *name, const es_offer_rules *rules, es_offer *offer)
{
    const size_t board = strlen(rules->board);
    char path[ES_PATH_BYTES + 1];
    es_tuf_target target;
    es_url url;
    es_status status;

    if (board + 1 + strlen(name) + 1 > sizeof path) {
        return ES_ERR_URL;
    }
    memcpy(path, rules->board, board);
    path[board] = '/';
    memcpy(path + board + 1, name, strlen(name) + 1);
    status = es_tuf_client_target(&f->client, path, &target);
    if (status == ES_OK) {
        status = es_tuf_target_url(&url, &f->targets, path, f->client.set.root.consistent ? target.digest : NULL);
    }
    if (status != ES_OK) {
        return status;
    }
    status = es_offer_of_target(offer, &target, rules);
    offer->url = url;
    return status;
}
