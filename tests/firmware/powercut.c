/* Cuts the power in every flash operation of an update by update metadata, and
 * in every pair of two, on each kind of flash; what is in flash afterwards must
 * be a board that hears with a whole model, trusts a whole root, and comes to
 * the end of the update when the power stays.
 *
 *   powercut         every cut on every kind, every pair on blocks of 256 KB
 *   powercut all     every pair on sectors of 4 KB as well
 *
 * The flash is memory, the server a list of files, and a signature that was
 * verified once is not computed again: so thousands of updates take seconds. */
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ota/update.h"

typedef struct {
    /* cppcheck-suppress unusedStructMember; the list of them is made, and not there */
    int stage; /* from which on the server has it; the last one of a path counts */
    /* cppcheck-suppress unusedStructMember */
    const char *path;
    const uint8_t *data;
    uint32_t size;
} served;

#include "powercut_files.h" /* by powercut.py: files[], root_1[], root_2[], signing_key[], now, BOARD */

enum { MOST_BYTES = 2 * 1024 * 1024, MOST_POLLS = 4, KNOWN = 64 };

/* --- a flash in memory, stricter than the hardware ---------------------------------------------------------------- */

typedef struct {
    const char *name;
    uint32_t erase_size;
    uint32_t write_size;
    uint8_t erased;
} kind;

static const kind kinds[] = {{"nor", 4096, 8, 0xff}, {"rows", 512, 512, 0x00}, {"qspi", 262144, 8, 0xff}};

static uint8_t memory[MOST_BYTES];
static es_flash flash;
static long left; /* operations until the power is cut; -1: never */
static long done_operations;
static jmp_buf power_off;

static void fail(const char *what)
{
    (void)fprintf(stderr, "powercut: %s\n", what);
    exit(1);
}

static bool within(uint32_t offset, uint32_t size)
{
    return offset <= flash.size && size <= flash.size - offset;
}

/* Whether the power lasts for this operation. */
static bool power(void)
{
    done_operations++;
    if (left == 0) {
        return false;
    }
    left -= left > 0;
    return true;
}

static es_status flash_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    (void)context;
    if (!within(offset, size)) {
        fail("a read outside of the flash");
    }
    memcpy(data, memory + offset, size);
    return ES_OK;
}

static es_status flash_write(void *context, uint32_t offset, const void *data, uint32_t size)
{
    const uint8_t *from = data;
    uint32_t i;

    (void)context;
    if (!within(offset, size) || offset % flash.write_size != 0 || size % flash.write_size != 0) {
        fail("a write outside of the flash or off its grid");
    }
    for (i = 0; i < size; i++) {
        if (memory[offset + i] != flash.erased) {
            fail("a write to flash that is not erased");
        }
    }
    while (size > 0) {
        const uint32_t room = 512 - offset % 512;
        const uint32_t n = size < room ? size : room;
        const bool whole = power();

        memcpy(memory + offset, from, whole ? n : n / 2);
        if (!whole) {
            longjmp(power_off, 1);
        }
        offset += n;
        from += n;
        size -= n;
    }
    return ES_OK;
}

static es_status flash_erase(void *context, uint32_t offset, uint32_t size)
{
    (void)context;
    if (!within(offset, size) || offset % flash.erase_size != 0 || size % flash.erase_size != 0) {
        fail("an erase outside of the flash or off its grid");
    }
    for (; size > 0; size -= flash.erase_size) {
        const bool whole = power();

        if (whole) {
            memset(memory + offset, flash.erased, flash.erase_size);
        } else {
            /* The first half or the second: whatever lies where must not be believed for its beginning. */
            memset(memory + offset + (done_operations % 2 == 0 ? 0 : flash.erase_size / 2), flash.erased,
                   flash.erase_size / 2);
            longjmp(power_off, 1);
        }
        offset += flash.erase_size;
    }
    return ES_OK;
}

static const uint8_t *flash_map(void *context, uint32_t offset)
{
    (void)context;
    return memory + offset;
}

static void make_flash(const kind *k)
{
    flash.erase_size = k->erase_size;
    flash.write_size = k->write_size;
    flash.erased = k->erased;
    flash.size = es_bank_offset(&flash, ES_BANKS);
    flash.read = flash_read;
    flash.write = flash_write;
    flash.erase = flash_erase;
    flash.map = flash_map;
    if (flash.size > sizeof memory) {
        fail("the flash is larger than the memory for it");
    }
    memset(memory, flash.erased, sizeof memory);
}

/* --- a server of files --------------------------------------------------------------------------------------------- */

static int stage;
static char answer[300 * 1024];
static size_t answer_size;
static size_t answer_at;

static const served *find(const char *path)
{
    const served *found = NULL;
    size_t i;

    for (i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i].stage <= stage && strcmp(files[i].path, path) == 0) {
            found = &files[i];
        }
    }
    return found;
}

static void give(const char *head, const uint8_t *data, size_t size)
{
    answer_size = strlen(head);
    answer_at = 0;
    memcpy(answer, head, answer_size);
    if (size > 0) {
        memcpy(answer + answer_size, data, size);
    }
    answer_size += size;
}

/* An ETag is the number of the file in the list. */
static void answer_get(const char *path, const char *request)
{
    const served *file = find(path);
    const char *range = strstr(request, "Range: bytes=");
    const char *known = strstr(request, "If-None-Match: \"");
    char head[256];
    unsigned long first;
    unsigned long last;
    char *end;

    if (file == NULL) {
        give("HTTP/1.1 404 Absent\r\nContent-Length: 0\r\n\r\n", NULL, 0);
    } else if (known != NULL && strtol(known + 16, NULL, 10) == file - files) {
        give("HTTP/1.1 304 Same\r\n\r\n", NULL, 0);
    } else if (range == NULL) {
        (void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\nETag: \"%ld\"\r\n\r\n",
                       (unsigned)file->size, (long)(file - files));
        give(head, file->data, file->size);
    } else {
        first = strtoul(range + 13, &end, 10);
        last = strtoul(end + 1, NULL, 10);
        if (first > last || last >= file->size) {
            fail("a range outside of the file");
        }
        (void)snprintf(head, sizeof head,
                       "HTTP/1.1 206 Part\r\nContent-Length: %lu\r\nContent-Range: bytes %lu-%lu/%u\r\n\r\n",
                       last - first + 1, first, last, (unsigned)file->size);
        give(head, file->data + first, last - first + 1);
    }
}

static es_status net_connect(void *context, const char *host, uint16_t port, bool tls, uint64_t deadline_ms)
{
    (void)context;
    (void)host;
    (void)port;
    (void)tls;
    (void)deadline_ms;
    return ES_OK;
}

static es_status net_send(void *context, const void *data, size_t size, uint64_t deadline_ms)
{
    char request[2048];
    char path[512];

    (void)context;
    (void)deadline_ms;
    if (size >= sizeof request) {
        fail("a request is too long");
    }
    memcpy(request, data, size);
    request[size] = '\0';
    if (sscanf(request, "GET %511s", path) == 1) {
        answer_get(path, request);
    } else if (strncmp(request, "POST ", 5) == 0) {
        give("HTTP/1.1 204 Done\r\nConnection: close\r\n\r\n", NULL, 0);
    }
    return ES_OK;
}

static es_status net_receive(void *context, void *data, size_t size, size_t *received, uint64_t deadline_ms)
{
    const size_t rest = answer_size - answer_at;

    (void)context;
    (void)deadline_ms;
    *received = size < rest ? size : rest;
    memcpy(data, answer + answer_at, *received);
    answer_at += *received;
    return ES_OK;
}

static void net_close(void *context)
{
    (void)context;
}

static uint64_t no_time(void *context)
{
    (void)context;
    return 0;
}

static const es_net net = {NULL, false, net_connect, net_send, net_receive, net_close};
static const es_clock stopped = {NULL, no_time};

/* --- signatures that are remembered: the linker puts these in front of the real ones ------------------------------- */

bool __real_es_p256_verify(const uint8_t *point, const uint8_t *digest, const uint8_t *signature);
bool __wrap_es_p256_verify(const uint8_t *point, const uint8_t *digest, const uint8_t *signature);
bool __wrap_es_p256_sign(const uint8_t *key, const uint8_t *digest, uint8_t *signature);

bool __wrap_es_p256_verify(const uint8_t *point, const uint8_t *digest, const uint8_t *signature)
{
    static struct {
        uint8_t said[ES_P256_POINT_BYTES + ES_SHA256_BYTES + ES_P256_SIGNATURE_BYTES];
        bool valid;
    } known[KNOWN];
    static size_t count;
    uint8_t said[sizeof known[0].said];
    size_t i;

    memcpy(said, point, ES_P256_POINT_BYTES);
    memcpy(said + ES_P256_POINT_BYTES, digest, ES_SHA256_BYTES);
    memcpy(said + ES_P256_POINT_BYTES + ES_SHA256_BYTES, signature, ES_P256_SIGNATURE_BYTES);
    for (i = 0; i < count && i < KNOWN; i++) {
        if (memcmp(known[i].said, said, sizeof said) == 0) {
            return known[i].valid;
        }
    }
    memcpy(known[count % KNOWN].said, said, sizeof said);
    known[count % KNOWN].valid = __real_es_p256_verify(point, digest, signature);
    return known[count++ % KNOWN].valid;
}

/* Nobody checks the reports' signatures here. */
bool __wrap_es_p256_sign(const uint8_t *key, const uint8_t *digest, uint8_t *signature)
{
    (void)key;
    memcpy(signature, digest, ES_SHA256_BYTES);
    memcpy(signature + ES_SHA256_BYTES, digest, ES_SHA256_BYTES);
    return true;
}

/* --- the board ----------------------------------------------------------------------------------------------------- */

static es_updater updater;

static bool knows_frontend(const char *id)
{
    (void)id;
    return true;
}

static void no_event(void *context, const es_event *event)
{
    (void)context;
    (void)event;
}

/* Payloads say themselves whether they pass. */
static es_status self_test(void *context, const uint8_t *model, uint32_t size)
{
    (void)context;
    return size > 4 && memcmp(model, "GOOD", 4) == 0 ? ES_OK : ES_ERR_SELF_TEST;
}

/* What a start of the board does to its RAM. */
static void boot(void)
{
    memset(&updater, 0, sizeof updater);
    updater.flash = &flash;
    updater.net = &net;
    updater.clock = &stopped;
    updater.board = BOARD;
    updater.device = "host-0001";
    updater.knows_frontend = knows_frontend;
    updater.timeout_ms = 1000;
    updater.now = now;
    memcpy(updater.key, signing_key, sizeof updater.key);
    updater.event = no_event;
    updater.self_test = self_test;
    if (es_url_parse(&updater.releases, "http://releases") != ES_OK ||
        es_url_parse(&updater.reports, "http://reports/reports") != ES_OK) {
        fail("the URLs are not understood");
    }
}

/* A poll whose power is cut after so many operations; false where it was. */
static bool poll(long operations, es_update_outcome *outcome)
{
    left = operations;
    if (setjmp(power_off) != 0) {
        left = -1;
        return false;
    }
    boot();
    *outcome = es_update_once(&updater);
    left = -1;
    return true;
}

typedef struct {
    const char *name;
    int stage;
    uint16_t ends_with; /* version 1.0.n */
    bool small;
} scenario;

static const scenario scenarios[] = {
    {"update, with a new root", 2, 2, true}, {"trial that fails", 3, 1, true}, {"larger image, noted on its way", 4, 4, false}};

static uint32_t model_version(void)
{
    es_image image;

    boot();
    return es_update_find_model(&updater, &image) == ES_OK ? image.version.build : 0;
}

static bool root_is_whole(void)
{
    static uint8_t root[ES_METADATA_BYTES];
    es_tuf_store store;
    size_t size = 0;

    es_tuf_store_open(&store, &flash);
    if (store.load(store.context, ES_TUF_ROOT, root, sizeof root, &size) != ES_OK) {
        return false;
    }
    return (size == sizeof root_1 && memcmp(root, root_1, size) == 0) ||
           (size == sizeof root_2 && memcmp(root, root_2, size) == 0);
}

/* What must hold after any cut. */
static void check_board(const scenario *s, const char *kind_name, long first, long second)
{
    const uint32_t version = model_version();

    if ((version != 1 && version != s->ends_with) || !root_is_whole()) {
        (void)fprintf(stderr, "powercut: %s, %s, cut in operation %ld and %ld: %s\n", kind_name, s->name, first, second,
                      root_is_whole() ? "no whole model is there" : "no whole root is there");
        exit(1);
    }
}

/* With power that stays the board comes to the end. */
static void check_end(const scenario *s, const char *kind_name, long first, long second)
{
    es_update_outcome outcome = ES_UPDATE_ERROR;
    int polls;

    for (polls = 0; polls < MOST_POLLS && outcome != ES_UPDATE_CURRENT; polls++) {
        (void)poll(-1, &outcome);
    }
    check_board(s, kind_name, first, second);
    if (outcome != ES_UPDATE_CURRENT || model_version() != s->ends_with) {
        (void)fprintf(stderr, "powercut: %s, %s, cut in operation %ld and %ld: ended with 1.0.%u, outcome %d\n",
                      kind_name, s->name, first, second, (unsigned)model_version(), (int)outcome);
        exit(1);
    }
}

static uint8_t start[MOST_BYTES];
static uint8_t between[MOST_BYTES];

/* A board with 1.0.1 that knows that it is current. */
static void make_start(const kind *k)
{
    es_update_outcome outcome;

    make_flash(k);
    left = -1;
    stage = 1;
    boot();
    if (es_update_install_root(&updater, root_1, sizeof root_1) != ES_OK || !poll(-1, &outcome) ||
        outcome != ES_UPDATE_CONFIRMED || !poll(-1, &outcome) || outcome != ES_UPDATE_CURRENT || model_version() != 1) {
        fail("the board cannot be made");
    }
    memcpy(start, memory, flash.size);
}

/* All polls to the end with one cut: polls follow one another until one has nothing to do. */
static void cut_all(const kind *k, const scenario *s, bool pairs, unsigned long *cuts, unsigned long *both)
{
    long first;
    long second;
    bool ended = false;

    stage = s->stage;
    for (first = 0; !ended; first++) {
        es_update_outcome outcome;

        memcpy(memory, start, flash.size);
        ended = poll(first, &outcome);
        check_board(s, k->name, first, -1);
        if (!ended) {
            ++*cuts;
            memcpy(between, memory, flash.size);
        }
        check_end(s, k->name, first, -1);
        for (second = 0; pairs && !ended; second++) {
            memcpy(memory, between, flash.size);
            if (poll(second, &outcome)) {
                break;
            }
            ++*both;
            check_board(s, k->name, first, second);
            check_end(s, k->name, first, second);
        }
    }
    if (first < 5) {
        fail("an update without flash operations is none");
    }
}

int main(int argc, char **argv)
{
    const bool all = argc > 1 && strcmp(argv[1], "all") == 0;
    unsigned long cuts = 0;
    unsigned long both = 0;
    size_t k;
    size_t s;

    for (k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        make_start(&kinds[k]);
        for (s = 0; s < sizeof scenarios / sizeof scenarios[0]; s++) {
            unsigned long here = 0;
            unsigned long pairs = 0;

            /* Pairs where operations are few: of the small images, on large blocks, and on sectors for `all`. */
            cut_all(&kinds[k], &scenarios[s], scenarios[s].small && kinds[k].erase_size >= (all ? 4096 : 262144), &here,
                    &pairs);
            (void)printf("  %-5s %-32s %5lu cuts, %7lu pairs: survived\n", kinds[k].name, scenarios[s].name, here, pairs);
            cuts += here;
            both += pairs;
        }
    }
    (void)printf("  all   %-32s %5lu cuts, %7lu pairs, %ld flash operations\n", "", cuts, both, done_operations);
    return 0;
}
