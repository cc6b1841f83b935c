#include "canonical.h"

#include "limits.h"

/* An object or array that is open. */
typedef struct {
    es_tuf_value container;
    es_tuf_walk walk;  /* items, and members in order */
    es_tuf_value last; /* key, of members out of order */
    bool sorted;
    bool first;
} level;

static void add(es_sha256 *hash, const void *data, size_t size)
{
    if (hash != NULL) {
        es_sha256_add(hash, data, size);
    }
}

static void add_string(es_sha256 *hash, const es_tuf_value *string)
{
    es_tuf_bytes bytes;

    if (hash == NULL) {
        return;
    }
    add(hash, "\"", 1);
    es_tuf_bytes_start(&bytes, string);
    while (bytes.at < bytes.end) {
        const char *run = bytes.at;

        while (bytes.at < bytes.end && *bytes.at != '\\') {
            bytes.at++;
        }
        add(hash, run, (size_t)(bytes.at - run));
        if (bytes.at < bytes.end) {
            int byte = es_tuf_bytes_next(&bytes);

            if (byte == '"' || byte == '\\') {
                add(hash, "\\", 1);
            }
            do {
                const char c = (char)byte;

                add(hash, &c, 1);
                byte = bytes.decoded[bytes.next] != '\0' ? es_tuf_bytes_next(&bytes) : -1;
            } while (byte >= 0);
        }
    }
    add(hash, "\"", 1);
}

static void add_scalar(es_sha256 *hash, const es_tuf_value *value)
{
    if (value->kind == ES_JSON_STRING) {
        add_string(hash, value);
    } else if (value->size == 2 && value->text[0] == '-' && value->text[1] == '0') {
        add(hash, "0", 1);
    } else {
        add(hash, value->text, value->size);
    }
}

/* Whether an object's keys are in order, and none of them twice. */
static es_status look_through(const es_tuf_value *object, bool *sorted)
{
    es_tuf_walk walk;
    es_tuf_value key;
    es_tuf_value before;
    es_tuf_value value;
    size_t members = 0;

    *sorted = true;
    es_tuf_walk_start(&walk, object);
    while (es_tuf_walk_next(&walk, &key, &value)) {
        const int order = members++ == 0 ? -1 : es_tuf_string_compare(&before, &key);

        *sorted = *sorted && order < 0;
        before = key;
    }
    return !*sorted && members > ES_TUF_UNSORTED_MEMBERS ? ES_ERR_TUF_LIMIT : ES_OK;
}

static es_status enter(level *l, const es_tuf_value *container)
{
    l->container = *container;
    l->first = true;
    l->sorted = true;
    es_tuf_walk_start(&l->walk, container);
    return container->kind == ES_JSON_OBJECT ? look_through(container, &l->sorted) : ES_OK;
}

/* The member with the smallest key after the last one's. */
static es_status select_member(level *l, es_tuf_value *key, es_tuf_value *value, bool *found)
{
    es_tuf_value k;
    es_tuf_value v;

    *found = false;
    es_tuf_walk_start(&l->walk, &l->container);
    while (es_tuf_walk_next(&l->walk, &k, &v)) {
        int order;

        if (!l->first && es_tuf_string_compare(&k, &l->last) <= 0) {
            continue;
        }
        order = *found ? es_tuf_string_compare(&k, key) : -1;
        if (order == 0) {
            return ES_ERR_JSON_DUPLICATE;
        }
        if (order < 0) {
            *key = k;
            *value = v;
            *found = true;
        }
    }
    if (*found) {
        l->last = *key;
    }
    return ES_OK;
}

/* Goes on in an open container: writes what stands before its next value, or
 * its end where there is none. */
static es_status go_on(level *l, es_sha256 *hash, es_tuf_value *value, bool *found)
{
    const bool object = l->container.kind == ES_JSON_OBJECT;
    es_tuf_value key;

    if (l->sorted) {
        *found = es_tuf_walk_next(&l->walk, &key, value);
    } else {
        const es_status status = select_member(l, &key, value, found);

        if (status != ES_OK) {
            return status;
        }
    }
    if (!*found) {
        add(hash, object ? "}" : "]", 1);
        return ES_OK;
    }
    if (!l->first) {
        add(hash, ",", 1);
    }
    l->first = false;
    if (object) {
        add_string(hash, &key);
        add(hash, ":", 1);
    }
    return ES_OK;
}

es_status es_tuf_canonical(const es_tuf_value *value, es_sha256 *hash)
{
    level levels[ES_JSON_DEPTH];
    size_t depth = 0;
    es_tuf_value v = *value;

    do {
        bool found = false;

        if (v.kind != ES_JSON_OBJECT && v.kind != ES_JSON_ARRAY) {
            add_scalar(hash, &v);
        } else {
            es_status status;

            if (depth == ES_JSON_DEPTH) {
                return ES_ERR_JSON_DEPTH;
            }
            add(hash, v.text, 1);
            status = enter(&levels[depth++], &v);
            if (status != ES_OK) {
                return status;
            }
        }
        while (depth > 0 && !found) {
            const es_status status = go_on(&levels[depth - 1], hash, &v, &found);

            if (status != ES_OK) {
                return status;
            }
            depth -= found ? 0 : 1;
        }
    } while (depth > 0);
    return ES_OK;
}
