#include "board.h"

#include <string.h>

#include "events.h"
#include "keys.h"

static bool knows_frontend(const char *id)
{
    return es_frontend_find(id) != NULL;
}

bool es_board_open(es_board *b, const es_options *options, bool exclusive)
{
    es_updater *u = &b->updater;
    char path[ES_PATH_MAX];
    es_status status;

    memset(b, 0, sizeof *b);
    if (!es_path_in(options->directory, "key.der", path) || !es_signing_key(path, u->key) ||
        !es_device_key(options->directory, false, u->device_key)) {
        es_event_error(options->directory, "the folder holds no keys of a device: run provision first");
        return false;
    }
    if (!es_path_in(options->directory, "flash.bin", path)) {
        es_event_error(options->directory, "the folder's name is too long");
        return false;
    }
    status = es_flash_file_open(&b->flash_file, &b->flash, path, exclusive);
    if (status != ES_OK) {
        es_event_error(path, "cannot be opened, is locked by another program, has the wrong size, or "
                             "EARSHOT_FLASH_KIND is none of nor, rows, qspi: end the other program, or remove the "
                             "file to start with an empty flash");
        return false;
    }
    es_net_socket_init(&b->socket, &b->net);
    es_clock_monotonic(&b->clock);
    u->flash = &b->flash;
    u->net = &b->net;
    u->clock = &b->clock;
    u->board = options->board;
    u->device = options->id;
    u->knows_frontend = knows_frontend;
    u->timeout_ms = options->timeout_ms;
    return true;
}

void es_board_close(es_board *b)
{
    es_flash_file_close(&b->flash_file);
}
