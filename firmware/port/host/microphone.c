#include "microphone.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../core/frontend_sizes.h"

extern char **environ;

static void *record(void *context)
{
    es_microphone *m = context;
    uint8_t bytes[ES_FRONTEND_STEP * 2];
    int16_t samples[ES_FRONTEND_STEP];
    size_t used = 0; /* bytes that are no whole sample yet: a pipe may end a read anywhere */

    for (;;) {
        const ssize_t n = read(m->descriptor, bytes + used, sizeof bytes - used);
        size_t i;

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        used += (size_t)n;
        for (i = 0; i < used / 2; i++) {
            samples[i] = (int16_t)(bytes[2 * i] | (bytes[2 * i + 1] << 8));
        }
        es_ring_put(&m->ring, samples, used / 2);
        bytes[0] = bytes[used - 1];
        used %= 2;
        (void)sem_post(&m->arrived);
    }
    m->over = true;
    (void)sem_post(&m->arrived);
    return NULL;
}

static es_status take(void *context, int16_t *samples, size_t count, size_t *taken, uint32_t *lost)
{
    es_microphone *m = context;

    *lost = 0;
    for (;;) {
        /* Before the ring is looked at: what came after may still be in it. */
        const bool over = m->over;
        uint32_t gap;

        *taken = es_ring_take(&m->ring, samples, count, &gap);
        *lost += gap;
        if (*taken > 0 || over) {
            return ES_OK;
        }
        (void)sem_wait(&m->arrived);
    }
}

static bool start_recorder(es_microphone *m)
{
    static char *const command[] = {"arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", "16000", "-c", "1", NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    bool started;

    if (pipe(ends) != 0) {
        return false;
    }
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, ends[0]);
    (void)posix_spawn_file_actions_addclose(&actions, ends[1]);
    started = posix_spawnp(&m->recorder, command[0], &actions, NULL, command, environ) == 0;
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    m->descriptor = ends[0];
    if (!started) {
        m->recorder = 0;
        (void)close(ends[0]);
    }
    return started;
}

const char *es_microphone_open(es_microphone *m, bool standard_input)
{
    memset(m, 0, sizeof *m);
    m->descriptor = STDIN_FILENO;
    m->audio.context = m;
    m->audio.read = take;
    es_ring_init(&m->ring, m->memory, ES_MICROPHONE_RING);
    if (!standard_input && !start_recorder(m)) {
        return "arecord cannot be started: install alsa-utils, or pipe a recorder's raw 16 kHz mono signed 16-bit "
               "little-endian samples into: listen --microphone -";
    }
    if (sem_init(&m->arrived, 0, 0) != 0 || pthread_create(&m->thread, NULL, record, m) != 0) {
        return "no thread can be started for the microphone";
    }
    return NULL;
}

const char *es_microphone_close(es_microphone *m)
{
    int status = 0;

    (void)pthread_join(m->thread, NULL);
    (void)sem_destroy(&m->arrived);
    if (m->recorder > 0) {
        (void)close(m->descriptor);
        (void)waitpid(m->recorder, &status, 0);
    }
    return status == 0 ? NULL : "arecord ended with an error: is there a microphone? arecord -l lists them";
}
