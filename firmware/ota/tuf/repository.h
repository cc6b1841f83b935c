/* A repository of metadata and targets behind HTTP. */
#ifndef ES_OTA_TUF_REPOSITORY_H
#define ES_OTA_TUF_REPOSITORY_H

#include "../http.h"
#include "refresh.h"

typedef struct {
    es_http *http;
    es_url metadata; /* the folder; its path ends with '/' or not */
    unsigned http_status; /* of the last answer */
} es_tuf_repository;

/* A file of metadata, as es_tuf_source wants it; `context` is a repository.
 * Answers 403 and 404 mean that there is no such file: storage that may not list
 * its files says 403. */
es_status es_tuf_repository_fetch(void *context, const char *name, uint8_t *data, size_t limit, size_t *size);

/* The source of a client's metadata. */
void es_tuf_repository_source(es_tuf_repository *repository, es_tuf_source *source);

/* The URL of a target below a folder. With `digest`, its SHA-256 stands before
 * the last part of the path: consistent snapshots. What cannot stand in a URL
 * is percent-encoded; percent signs that begin an encoding are kept. */
es_status es_tuf_target_url(es_url *url, const es_url *folder, const char *path, const uint8_t *digest);

#endif
