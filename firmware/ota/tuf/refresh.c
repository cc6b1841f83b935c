#include "refresh.h"

#include "../version.h"

static char *append(char *p, const char *text)
{
    while (*text != '\0') {
        *p++ = *text++;
    }
    return p;
}

/* "root.json", or "2.root.json" where there is a version. */
static void file_name(es_tuf_role role, uint32_t version, char out[ES_TUF_NAME_BYTES])
{
    char *p = out;

    if (version > 0) {
        p = append(es_write_number(p, version), ".");
    }
    *append(append(p, es_tuf_role_name(role)), ".json") = '\0';
}

static es_status fetch(es_tuf_client *client, uint32_t version, size_t limit, size_t *size)
{
    char name[ES_TUF_NAME_BYTES];

    file_name(client->role, version, name);
    *size = 0;
    return client->source->fetch(client->source->context, name, client->buffer,
                                 limit < client->buffer_size ? limit : client->buffer_size, size);
}

static es_status load(es_tuf_client *client, size_t *size)
{
    *size = 0;
    return client->store->load(client->store->context, client->role, client->buffer, client->buffer_size, size);
}

static es_status save(es_tuf_client *client, size_t size)
{
    return client->store->save(client->store->context, client->role, client->buffer, size);
}

/* Forgets stored timestamp and snapshot: before the root that demands it is
 * stored, so that it is not forgotten itself where power fails in between. */
static es_status discard_revoked(const es_tuf_client *client)
{
    es_status status;

    if (!client->set.revoked) {
        return ES_OK;
    }
    status = client->store->discard(client->store->context, ES_TUF_TIMESTAMP);
    return status == ES_OK ? client->store->discard(client->store->context, ES_TUF_SNAPSHOT) : status;
}

static es_status refresh_root(es_tuf_client *client)
{
    size_t size;
    es_status status;
    int i;

    client->role = ES_TUF_ROOT;
    status = load(client, &size);
    if (status == ES_ERR_TUF_ABSENT) {
        return ES_ERR_TUF_NO_ROOT;
    }
    if (status == ES_OK) {
        status = es_tuf_set_open(&client->set, client->buffer, size, client->now);
    }
    for (i = 0; status == ES_OK && i < ES_TUF_ROOT_UPDATES; i++) {
        status = fetch(client, client->set.root.header.version + 1, client->buffer_size, &size);
        if (status == ES_ERR_TUF_ABSENT) {
            break;
        }
        if (status == ES_OK) {
            status = es_tuf_set_root(&client->set, client->buffer, size);
        }
        if (status == ES_OK) {
            status = discard_revoked(client);
        }
        if (status == ES_OK) {
            status = save(client, size);
        }
    }
    return status == ES_OK || status == ES_ERR_TUF_ABSENT ? es_tuf_set_check_root(&client->set) : status;
}

static es_status refresh_timestamp(es_tuf_client *client)
{
    size_t size;
    bool newer = false;
    es_status status;

    client->role = ES_TUF_TIMESTAMP;
    /* A stored file that is not valid any more is as good as none. */
    if (load(client, &size) == ES_OK) {
        (void)es_tuf_set_timestamp(&client->set, client->buffer, size, &newer);
    }
    status = fetch(client, 0, ES_TUF_TIMESTAMP_BYTES, &size);
    if (status == ES_OK) {
        status = es_tuf_set_timestamp(&client->set, client->buffer, size, &newer);
    }
    if (status == ES_OK && newer) {
        status = save(client, size);
    }
    return status == ES_OK ? es_tuf_set_check_timestamp(&client->set) : status;
}

/* Most bytes to fetch of a file that is announced. */
static size_t announced_size(const es_tuf_client *client, const es_tuf_entry *entry)
{
    return entry->has_length ? entry->length : client->buffer_size;
}

static es_status refresh_snapshot(es_tuf_client *client)
{
    const es_tuf_entry *entry = &client->set.snapshot_entry;
    size_t size;
    es_status status;

    client->role = ES_TUF_SNAPSHOT;
    if (load(client, &size) == ES_OK &&
        es_tuf_set_snapshot(&client->set, client->buffer, size, true) == ES_OK) {
        return ES_OK;
    }
    status = fetch(client, client->set.root.consistent ? entry->version : 0, announced_size(client, entry), &size);
    if (status == ES_OK) {
        status = es_tuf_set_snapshot(&client->set, client->buffer, size, false);
    }
    return status == ES_OK ? save(client, size) : status;
}

static es_status refresh_targets(es_tuf_client *client)
{
    const es_tuf_entry *entry = &client->set.targets_entry;
    size_t size;
    es_status status;

    client->role = ES_TUF_TARGETS;
    if (load(client, &size) == ES_OK && es_tuf_set_targets(&client->set, client->buffer, size) == ES_OK) {
        client->targets_size = size;
        return ES_OK;
    }
    status = fetch(client, client->set.root.consistent ? entry->version : 0, announced_size(client, entry), &size);
    if (status == ES_OK) {
        status = es_tuf_set_targets(&client->set, client->buffer, size);
    }
    if (status == ES_OK) {
        status = save(client, size);
    }
    if (status == ES_OK) {
        client->targets_size = size;
    }
    return status;
}

es_status es_tuf_install(es_tuf_client *client, const uint8_t *data, size_t size)
{
    es_status status = es_tuf_set_open(&client->set, data, size, client->now);

    client->role = ES_TUF_ROOT;
    client->targets_size = 0;
    if (status == ES_OK) {
        status = client->store->save(client->store->context, ES_TUF_ROOT, data, size);
    }
    return status;
}

es_status es_tuf_refresh(es_tuf_client *client, uint64_t now)
{
    es_status status;

    client->now = now > client->now ? now : client->now;
    client->targets_size = 0;
    status = refresh_root(client);
    if (status == ES_OK) {
        status = refresh_timestamp(client);
    }
    if (status == ES_OK) {
        status = refresh_snapshot(client);
    }
    return status == ES_OK ? refresh_targets(client) : status;
}

es_status es_tuf_client_target(es_tuf_client *client, const char *path, es_tuf_target *target)
{
    client->role = ES_TUF_TARGETS;
    return client->targets_size == 0 ? ES_ERR_ARGUMENT
                                     : es_tuf_target_find(target, client->buffer, client->targets_size, path);
}
