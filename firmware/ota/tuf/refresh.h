/* The client's workflow: brings trusted metadata up to date, from a source that
 * nobody trusts, by way of the rules in trusted_set.h.
 *
 * One buffer holds one file at a time. Roots are fetched one version after the
 * other until there is no next; timestamp always; snapshot and targets where
 * the stored ones are not those that are announced. Each file is stored as soon
 * as it is trusted, and as it came; a refresh that is interrupted goes on from
 * there. */
#ifndef ES_OTA_TUF_REFRESH_H
#define ES_OTA_TUF_REFRESH_H

#include "trusted_set.h"

/* Longest name of a metadata file, with its NUL: 2147483647.snapshot.json */
#define ES_TUF_NAME_BYTES 32

/* Where metadata comes from. */
typedef struct {
    void *context;
    /* At most `limit` bytes of a file. ES_ERR_TUF_ABSENT where there is none. */
    es_status (*fetch)(void *context, const char *name, uint8_t *data, size_t limit, size_t *size);
} es_tuf_source;

/* Where trusted metadata is kept. `save` replaces a file at once or not at all. */
typedef struct {
    void *context;
    es_status (*load)(void *context, es_tuf_role role, uint8_t *data, size_t limit, size_t *size);
    es_status (*save)(void *context, es_tuf_role role, const uint8_t *data, size_t size);
    es_status (*discard)(void *context, es_tuf_role role); /* no fault where there is none */
} es_tuf_store;

typedef struct {
    /* Set by the port. */
    const es_tuf_source *source;
    const es_tuf_store *store;
    uint8_t *buffer; /* no file can be larger */
    size_t buffer_size;
    /* The client's own. */
    uint64_t now;
    es_tuf_set set;
    es_tuf_role role;    /* of the file that the last status is about */
    size_t targets_size; /* the buffer holds the trusted targets file, this long */
} es_tuf_client;

/* Stores a root that is trusted because of where it comes from. */
es_status es_tuf_install(es_tuf_client *client, const uint8_t *data, size_t size);

/* `now` in seconds since 1970, from a clock or, where there is none, the last
 * time that is known to have been; a value before the last refresh's is taken
 * as that one. ES_OK: all four files are trusted and up to date. */
es_status es_tuf_refresh(es_tuf_client *client, uint64_t now);

/* A target of the targets file that es_tuf_refresh has left in the buffer. */
es_status es_tuf_client_target(es_tuf_client *client, const char *path, es_tuf_target *target);

#endif
