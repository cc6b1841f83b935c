/* earshot-tuf: the board's TUF client as a program of this machine, with the
 * commands of the TUF conformance suite. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../ota/tuf/repository.h"
#include "../file.h"
#include "keys.h"
#include "net_socket.h"

/* Bytes of a metadata file, and of a target. */
#define BUFFER_BYTES (4u * 1024u * 1024u)
#define MOST_TARGETS 64

static const char usage[] =
    "earshot-tuf --metadata-dir D init ROOT.json                        trust a root\n"
    "earshot-tuf --metadata-dir D --metadata-url URL refresh            bring the metadata in D up to date\n"
    "earshot-tuf --metadata-dir D --metadata-url URL --target-name T [--target-name T2 ...]\n"
    "            --target-base-url URL --target-dir X download          refresh, then fetch targets into X\n"
    "Status: 0 done, 1 not done; the reason is on standard error.\n";

typedef struct {
    const char *metadata_directory;
    const char *metadata_url;
    const char *target_directory;
    const char *target_url;
    const char *targets[MOST_TARGETS];
    size_t target_count;
    const char *command;
    const char *root; /* init's file */
} options;

typedef struct {
    es_tuf_client client;
    es_tuf_source source;
    es_tuf_store store;
    es_tuf_repository repository;
    es_http http;
    es_net net;
    es_clock clock;
    es_net_socket socket;
    es_url targets;
} program;

/* Says what is wrong with a file; 1. */
static int complain(const char *about, es_status status)
{
    (void)fprintf(stderr, "earshot-tuf: %s: %s (%s)\n", about, es_error_text(status), es_error_name(status));
    return 1;
}

/* --- trusted metadata as files of a folder ------------------------------------------------------------------------ */

static bool metadata_path(const void *context, es_tuf_role role, char path[ES_PATH_MAX])
{
    char name[ES_TUF_NAME_BYTES];

    (void)snprintf(name, sizeof name, "%s.json", es_tuf_role_name(role));
    return es_path_in(context, name, path);
}

static es_status store_load(void *context, es_tuf_role role, uint8_t *data, size_t limit, size_t *size)
{
    char path[ES_PATH_MAX];
    uint8_t *file;
    es_status status = ES_OK;

    if (!metadata_path(context, role, path)) {
        return ES_ERR_TUF_STORE;
    }
    if (access(path, F_OK) != 0) {
        return ES_ERR_TUF_ABSENT;
    }
    file = es_file_load(path, size);
    if (file == NULL || *size > limit) {
        status = ES_ERR_TUF_STORE;
    } else {
        memcpy(data, file, *size);
    }
    free(file);
    return status;
}

static es_status store_save(void *context, es_tuf_role role, const uint8_t *data, size_t size)
{
    char path[ES_PATH_MAX];

    return metadata_path(context, role, path) && es_file_write(path, data, size, 0644) ? ES_OK : ES_ERR_TUF_STORE;
}

static es_status store_discard(void *context, es_tuf_role role)
{
    char path[ES_PATH_MAX];

    if (!metadata_path(context, role, path)) {
        return ES_ERR_TUF_STORE;
    }
    return unlink(path) == 0 || access(path, F_OK) != 0 ? ES_OK : ES_ERR_TUF_STORE;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

/* Says which metadata file was refused. */
static int complain_metadata(const program *p, es_status status)
{
    char name[ES_TUF_NAME_BYTES];

    (void)snprintf(name, sizeof name, "%s.json", es_tuf_role_name(p->client.role));
    return complain(name, status);
}

static int run_init(program *p, const options *o)
{
    size_t size;
    uint8_t *root = es_file_load(o->root, &size);
    es_status status;

    if (root == NULL) {
        return complain(o->root, ES_ERR_TUF_STORE);
    }
    (void)mkdir(o->metadata_directory, 0755);
    status = es_tuf_install(&p->client, root, size);
    free(root);
    return status == ES_OK ? 0 : complain(o->root, status);
}

static int run_refresh(program *p)
{
    const time_t now = time(NULL);
    const es_status status = es_tuf_refresh(&p->client, now > 0 ? (uint64_t)now : 0);

    return status == ES_OK ? 0 : complain_metadata(p, status);
}

/* <directory>/<path>, with all but letters, digits, "_-.~" percent-encoded, and a point at the start. */
static bool target_file(const char *directory, const char *path, char out[ES_PATH_MAX])
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~";
    char name[ES_PATH_MAX];
    size_t used = 0;
    const char *p;

    for (p = path; *p != '\0' && used + 4 < sizeof name; p++) {
        if (strchr(plain, *p) != NULL && !(p == path && *p == '.')) {
            name[used++] = *p;
        } else {
            used += (size_t)snprintf(name + used, 4, "%%%02X", (unsigned)(unsigned char)*p);
        }
    }
    name[used] = '\0';
    return *p == '\0' && used > 0 && es_path_in(directory, name, out);
}

static es_status check_target(const es_tuf_target *target, const uint8_t *data, size_t size)
{
    uint8_t digest[ES_SHA256_BYTES];
    es_sha256 hash;

    if (size != target->length) {
        return ES_ERR_TUF_TARGET_LENGTH;
    }
    es_sha256_start(&hash);
    es_sha256_add(&hash, data, size);
    es_sha256_end(&hash, digest);
    return memcmp(digest, target->digest, sizeof digest) == 0 ? ES_OK : ES_ERR_TUF_TARGET_HASH;
}

static bool is_there(const char *path, const es_tuf_target *target)
{
    size_t size;
    uint8_t *file = access(path, F_OK) == 0 ? es_file_load(path, &size) : NULL;
    const bool good = file != NULL && check_target(target, file, size) == ES_OK;

    free(file);
    return good;
}

static es_status fetch_target(program *p, const char *name, const es_tuf_target *target, const char *path)
{
    uint8_t *data = target->length > ES_FILE_BYTES ? NULL : malloc((size_t)target->length + 1);
    es_http_answer answer;
    es_url url;
    es_status status;

    if (data == NULL) {
        return ES_ERR_TUF_LIMIT;
    }
    status = es_tuf_target_url(&url, &p->targets, name,
                               p->client.set.root.consistent ? target->digest : NULL);
    if (status == ES_OK) {
        status = es_http_get(&p->http, &url, "", data, target->length, &answer);
    }
    if (status == ES_OK) {
        status = check_target(target, data, answer.length);
    }
    if (status == ES_OK && !es_file_write(path, data, target->length, 0644)) {
        status = ES_ERR_TUF_STORE;
    }
    free(data);
    return status;
}

static int run_download(program *p, const options *o)
{
    es_status status = es_url_parse(&p->targets, o->target_url);
    size_t i;

    if (status != ES_OK) {
        return complain(o->target_url, status);
    }
    if (run_refresh(p) != 0) {
        return 1;
    }
    for (i = 0; i < o->target_count; i++) {
        const char *name = o->targets[i];
        char path[ES_PATH_MAX];
        es_tuf_target target;

        status = target_file(o->target_directory, name, path) ? es_tuf_client_target(&p->client, name, &target)
                                                              : ES_ERR_TUF_TARGET;
        if (status == ES_OK && !is_there(path, &target)) {
            status = fetch_target(p, name, &target, path);
        }
        if (status != ES_OK) {
            return complain(name, status);
        }
    }
    return 0;
}

static int misuse(const char *reason)
{
    (void)fputs(usage, stderr);
    (void)fprintf(stderr, "earshot-tuf: %s\n", reason);
    return 1;
}

/* Opens what all commands need. */
static int run(program *p, const options *o)
{
    es_status status;

    p->store.load = store_load;
    p->store.save = store_save;
    p->store.discard = store_discard;
    /* The client hands it back; nothing writes to it. */
    p->store.context = (void *)(uintptr_t)o->metadata_directory;
    p->client.store = &p->store;
    if (strcmp(o->command, "init") == 0) {
        return o->root == NULL ? misuse("init: give a root file") : run_init(p, o);
    }
    if (o->metadata_url == NULL || o->root != NULL) {
        return misuse("give --metadata-url, and refresh or download");
    }
    status = es_url_parse(&p->repository.metadata, o->metadata_url);
    if (status != ES_OK) {
        return complain(o->metadata_url, status);
    }
    es_net_socket_init(&p->socket, &p->net);
    es_clock_monotonic(&p->clock);
    es_http_open(&p->http, &p->net, &p->clock, ES_HTTP_TIMEOUT_MS);
    p->repository.http = &p->http;
    es_tuf_repository_source(&p->repository, &p->source);
    p->client.source = &p->source;
    if (strcmp(o->command, "refresh") == 0) {
        return run_refresh(p);
    }
    if (strcmp(o->command, "download") == 0) {
        return o->target_count == 0 || o->target_url == NULL || o->target_directory == NULL
                   ? misuse("download: give --target-name, --target-base-url and --target-dir")
                   : run_download(p, o);
    }
    return misuse("the command is none of init, refresh, download");
}

/* Takes the option at *i, which begins with "--"; NULL, or what is wrong with it. */
static const char *read_option(options *o, int argc, char **argv, int *i)
{
    static const char *const names[] = {"--metadata-dir", "--metadata-url", "--target-dir", "--target-base-url"};
    const char **const places[] = {&o->metadata_directory, &o->metadata_url, &o->target_directory, &o->target_url};
    const char *name = argv[*i];
    size_t n;

    if (*i + 1 == argc) {
        return "the last option is unknown or lacks its value";
    }
    ++*i;
    if (strcmp(name, "--target-name") == 0) {
        if (o->target_count == MOST_TARGETS) {
            return "--target-name: at most 64 of them";
        }
        o->targets[o->target_count++] = argv[*i];
        return NULL;
    }
    for (n = 0; n < sizeof names / sizeof names[0]; n++) {
        if (strcmp(name, names[n]) == 0) {
            *places[n] = argv[*i];
            return NULL;
        }
    }
    return "an option is unknown";
}

int main(int argc, char **argv)
{
    options o;
    program *p;
    int result;
    int i;

    memset(&o, 0, sizeof o);
    for (i = 1; i < argc; i++) {
        const char *fault = NULL;

        if (strncmp(argv[i], "--", 2) == 0) {
            fault = read_option(&o, argc, argv, &i);
        } else if (o.command == NULL) {
            o.command = argv[i];
        } else if (o.root == NULL) {
            o.root = argv[i];
        } else {
            fault = "too many arguments";
        }
        if (fault != NULL) {
            return misuse(fault);
        }
    }
    if (o.command == NULL || o.metadata_directory == NULL) {
        return misuse("give --metadata-dir and a command");
    }
    p = calloc(1, sizeof *p);
    if (p == NULL) {
        return 1;
    }
    p->client.buffer = malloc(BUFFER_BYTES);
    p->client.buffer_size = BUFFER_BYTES;
    result = p->client.buffer == NULL ? 1 : run(p, &o);
    es_http_close(&p->http);
    free(p->client.buffer);
    free(p);
    return result;
}
