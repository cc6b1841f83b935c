/* One TCP connection at a time. Every call ends by its deadline (es_clock). */
#ifndef ES_HAL_NET_H
#define ES_HAL_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/errors.h"

typedef struct es_net {
    void *context;
    bool has_tls;
    /* With `tls` the server must show a certificate of its name; only asked of a net that has it. */
    es_status (*connect)(void *context, const char *host, uint16_t port, bool tls, uint64_t deadline_ms);
    es_status (*send)(void *context, const void *data, size_t size, uint64_t deadline_ms);
    /* At least one byte, or *received = 0 when the peer has closed. */
    es_status (*receive)(void *context, void *data, size_t size, size_t *received, uint64_t deadline_ms);
    void (*close)(void *context);
} es_net;

#endif
