/* earshot-device: the board's firmware as a program of this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ota/update.h"
#include "device.h"
#include "events.h"

static const char usage[] =
    "earshot-device --dir D --board B --id ID [--timeout-ms N] COMMAND\n"
    "  provision --key pub.der [--root root.json]               keys into D; follow update metadata\n"
    "  --releases URL [--reports URL] poll [--once | --every S] look for an update\n"
    "  listen [--uart] [--stream] FILE.wav ...                  16 kHz mono 16-bit PCM\n"
    "  listen [--uart] --microphone [-]                         arecord; -: raw samples on standard input\n"
    "Each line on stdout is a JSON object with \"event\".\n";

static int misuse(const char *reason)
{
    (void)fputs(usage, stderr);
    es_event_error(NULL, reason);
    return 1;
}

/* A name that needs no escape anywhere: in a URL's path, in JSON, in a header. */
static bool is_name(const char *text, size_t longest)
{
    const size_t n = strlen(text);

    return n > 0 && n <= longest && text[0] != '.' &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") == n;
}

/* The value after option *i, or NULL where the line ends. */
static const char *value_of(int argc, char **argv, int *i)
{
    return *i + 1 < argc ? argv[++*i] : NULL;
}

static bool read_seconds(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out >= 0.05 && *out <= 1e6;
}

static bool read_milliseconds(const char *text, unsigned *out)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);

    *out = (unsigned)value;
    return end != text && *end == '\0' && text[0] != '-' && value >= 10 && value <= 600000;
}

/* Takes the option at *i; NULL, or what is wrong with it. */
static const char *read_option(es_options *o, int argc, char **argv, int *i)
{
    static const char *const flags[] = {"--stream", "--microphone", "--uart"};
    bool *const set[] = {&o->stream, &o->microphone, &o->uart};
    static const char *const names[] = {"--dir", "--board", "--id", "--releases", "--reports", "--key",
                                        "--root"};
    const char **const places[] = {&o->directory, &o->board, &o->id, &o->releases, &o->reports, &o->key,
                                  &o->root};
    const char *name = argv[*i];
    const char *value;
    size_t n;

    for (n = 0; n < sizeof flags / sizeof flags[0]; n++) {
        if (strcmp(name, flags[n]) == 0) {
            *set[n] = true;
            return NULL;
        }
    }
    if (strcmp(name, "--once") == 0) {
        o->every = 0;
        return NULL;
    }
    value = value_of(argc, argv, i);
    if (value == NULL) {
        return "the last option is unknown or lacks its value";
    }
    if (strcmp(name, "--every") == 0) {
        return read_seconds(value, &o->every) ? NULL : "--every: give seconds, at least 0.05";
    }
    if (strcmp(name, "--timeout-ms") == 0) {
        return read_milliseconds(value, &o->timeout_ms) ? NULL : "--timeout-ms: give 10 to 600000";
    }
    for (n = 0; n < sizeof names / sizeof names[0]; n++) {
        if (strcmp(name, names[n]) == 0) {
            *places[n] = value;
            return NULL;
        }
    }
    return "an option is unknown";
}

static int run_listen(const es_options *o, char *const *files, int count)
{
    if (o->microphone && (o->stream || count > 1 || (count == 1 && strcmp(files[0], "-") != 0))) {
        return misuse("listen --microphone: give nothing more, or - for raw samples on standard input");
    }
    if (!o->microphone && count == 0) {
        return misuse("listen: give one or more WAV files");
    }
    return es_device_listen(o, files, count);
}

static int run(const es_options *o, const char *command, char *const *files, int count)
{
    if (o->directory == NULL || o->id == NULL || !is_name(o->id, 64)) {
        return misuse("--dir and --id are needed; an id is up to 64 letters, digits, '_', '-', '.'");
    }
    if (strcmp(command, "provision") == 0) {
        return o->key == NULL || count > 0 ? misuse("provision: give --key pub.der and nothing else")
                                           : es_device_provision(o);
    }
    if (o->board == NULL || !is_name(o->board, ES_BOARD_BYTES)) {
        return misuse("--board is needed: upper-case letters, digits, '_'");
    }
    if (strcmp(command, "poll") == 0) {
        return o->releases == NULL || count > 0 ? misuse("poll: give --releases URL and no file")
                                                : es_device_poll(o);
    }
    if (strcmp(command, "listen") == 0) {
        return run_listen(o, files, count);
    }
    return misuse("the command is none of provision, poll, listen");
}

int main(int argc, char **argv)
{
    es_options options;
    const char *command = NULL;
    char **files = malloc((size_t)argc * sizeof *files);
    int count = 0;
    int result;
    int i;

    memset(&options, 0, sizeof options);
    options.timeout_ms = ES_HTTP_TIMEOUT_MS;
    if (files == NULL) {
        return 1;
    }
    for (i = 1; i < argc; i++) {
        const char *fault = NULL;

        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            fault = read_option(&options, argc, argv, &i);
        } else if (command == NULL) {
            command = argv[i];
        } else {
            files[count++] = argv[i];
        }
        if (fault != NULL) {
            free(files);
            return misuse(fault);
        }
    }
    result = command == NULL ? misuse("no command was given") : run(&options, command, files, count);
    free(files);
    return result;
}
