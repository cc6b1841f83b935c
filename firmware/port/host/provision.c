#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../file.h"
#include "board.h"
#include "device.h"
#include "events.h"
#include "keys.h"

/* Makes a folder and those above it. */
static bool make_folder(const char *path)
{
    char part[ES_PATH_MAX];
    size_t i;

    if (strlen(path) >= sizeof part) {
        return false;
    }
    for (i = 0; path[i] != '\0'; i++) {
        part[i] = path[i];
        part[i + 1] = '\0';
        if (i > 0 && (path[i + 1] == '/' || path[i + 1] == '\0') && mkdir(part, 0755) != 0 && errno != EEXIST) {
            return false;
        }
    }
    return true;
}

/* The root of the update metadata into the board's flash. */
static bool install_root(const es_options *options)
{
    static es_board board; /* too large for a stack */
    size_t size = 0;
    uint8_t *root = es_file_load(options->root, &size);
    es_status status;

    if (root == NULL) {
        es_event_error(options->root, "the file cannot be read: give the repository's root.json with --root");
        return false;
    }
    if (!es_board_open(&board, options, true)) {
        free(root);
        return false;
    }
    status = es_update_install_root(&board.updater, root, size);
    es_board_close(&board);
    free(root);
    if (status != ES_OK) {
        es_event_error(options->root, es_error_text(status));
    }
    return status == ES_OK;
}

int es_device_provision(const es_options *options)
{
    char path[ES_PATH_MAX];
    uint8_t key[ES_P256_SPKI_BYTES];
    uint8_t device_key[ES_P256_SCALAR_BYTES];
    uint8_t point[ES_P256_POINT_BYTES];

    if (!es_signing_key(options->key, key)) {
        es_event_error(options->key, "not a P-256 public key: send the signing key as 91 bytes of "
                                     "SubjectPublicKeyInfo DER");
        return 1;
    }
    if (!make_folder(options->directory) || !es_path_in(options->directory, "key.der", path) ||
        !es_file_write(path, key, sizeof key, 0644)) {
        es_event_error(options->directory, "the folder cannot be written: give another one with --dir");
        return 1;
    }
    if (!es_device_key(options->directory, true, device_key) || !es_p256_public(device_key, point)) {
        es_event_error(options->directory, "device.key cannot be read or made: remove it to make a new key, "
                                           "which the fleet must then be told");
        return 1;
    }
    if (options->root != NULL && !install_root(options)) {
        return 1;
    }
    es_event_begin("provisioned");
    es_event_text("device", options->id);
    es_event_hex("public_key", point, sizeof point);
    es_event_end();
    return 0;
}
