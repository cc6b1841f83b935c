/* The device on this machine: a folder with its flash and its keys. */
#ifndef ES_PORT_HOST_DEVICE_H
#define ES_PORT_HOST_DEVICE_H

#include <stdbool.h>

/* The command line's options; NULL where not given. */
typedef struct {
    const char *directory;
    const char *board;
    const char *id;
    const char *releases;
    const char *reports;
    const char *key;
    const char *root; /* of the update metadata */
    bool stream;
    bool microphone;
    bool uart; /* the UART's lines and the light on stderr */
    double every; /* seconds between polls; 0: one poll */
    unsigned timeout_ms;
} es_options;

/* Each answers the program's exit status. */
int es_device_provision(const es_options *options);
int es_device_poll(const es_options *options);
int es_device_listen(const es_options *options, char *const *files, int count);

#endif
