/* The update client wired to this machine's flash, network, clock and keys. */
#ifndef ES_PORT_HOST_BOARD_H
#define ES_PORT_HOST_BOARD_H

#include "../../core/classifier.h"
#include "../../ota/update.h"
#include "device.h"
#include "flash_file.h"
#include "net_socket.h"

typedef struct {
    es_flash_file flash_file;
    es_net_socket socket;
    es_flash flash;
    es_net net;
    es_clock clock;
    es_updater updater;
    es_classifier classifier;
    uint32_t arena[ES_ARENA_BYTES / 4];
} es_board;

/* Opens the device's folder; on failure the reason has been printed. */
bool es_board_open(es_board *b, const es_options *options, bool exclusive);

void es_board_close(es_board *b);

#endif
