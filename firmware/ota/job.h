/* The job document that boards poll, by the rules of Infineon's agent: fewer
 * than 1024 bytes, only string values are read, keys in any case. Unknown keys
 * are skipped; a repeated key is refused. */
#ifndef ES_OTA_JOB_H
#define ES_OTA_JOB_H

#include "../core/errors.h"
#include "../crypto/crypto.h"
#include "version.h"

#define ES_JOB_BYTES 1023
#define ES_HOST_BYTES 255
#define ES_PATH_BYTES 255
#define ES_BOARD_BYTES 63

typedef struct {
    bool available; /* Message is "Update Available"; otherwise the rest is empty */
    char board[ES_BOARD_BYTES + 1];
    es_version version;
    bool tls;
    char server[ES_HOST_BYTES + 1];
    uint16_t port;
    char file[ES_PATH_BYTES + 1];
    uint32_t size;
    uint8_t digest[ES_SHA256_BYTES];
} es_job;

es_status es_job_parse(es_job *job, const char *text, size_t size);

#endif
