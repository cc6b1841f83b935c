#include "net_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t milliseconds(void *context)
{
    struct timespec now;

    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits until the socket is ready for `events`. */
static es_status wait_for(int descriptor, short events, uint64_t deadline_ms)
{
    for (;;) {
        struct pollfd p = {descriptor, events, 0};
        const uint64_t now = milliseconds(NULL);
        int ready;

        if (now >= deadline_ms) {
            return ES_ERR_NET_TIMEOUT;
        }
        ready = poll(&p, 1, (int)(deadline_ms - now));
        if (ready > 0) {
            return ES_OK;
        }
        if (ready < 0 && errno != EINTR) {
            return ES_ERR_NET_CLOSED;
        }
    }
}

static void net_close(void *context)
{
    es_net_socket *s = context;

    if (s->descriptor >= 0) {
        (void)close(s->descriptor);
    }
    s->descriptor = -1;
}

/* Tries one of a name's addresses. */
static es_status try_address(es_net_socket *s, const struct addrinfo *address, uint64_t deadline_ms)
{
    int error = 0;
    socklen_t size = sizeof error;
    es_status status;

    s->descriptor = socket(address->ai_family, SOCK_STREAM, 0);
    if (s->descriptor < 0 || fcntl(s->descriptor, F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(s->descriptor, F_SETFD, FD_CLOEXEC) != 0) {
        net_close(s);
        return ES_ERR_NET_CONNECT;
    }
    if (connect(s->descriptor, address->ai_addr, address->ai_addrlen) == 0) {
        return ES_OK;
    }
    status = errno == EINPROGRESS ? wait_for(s->descriptor, POLLOUT, deadline_ms) : ES_ERR_NET_CONNECT;
    if (status == ES_OK &&
        (getsockopt(s->descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)) {
        status = ES_ERR_NET_CONNECT;
    }
    if (status != ES_OK) {
        net_close(s);
    }
    return status;
}

static es_status net_connect(void *context, const char *host, uint16_t port, bool tls, uint64_t deadline_ms)
{
    es_net_socket *s = context;
    struct addrinfo hints;
    struct addrinfo *found = NULL;
    const struct addrinfo *address;
    es_status status = ES_ERR_NET_CONNECT;
    char service[8];

    if (tls) {
        return ES_ERR_TLS;
    }
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        return ES_ERR_NET_CONNECT;
    }
    for (address = found; address != NULL && status != ES_OK; address = address->ai_next) {
        status = try_address(s, address, deadline_ms);
    }
    freeaddrinfo(found);
    return status;
}

static es_status net_send(void *context, const void *data, size_t size, uint64_t deadline_ms)
{
    const es_net_socket *s = context;
    const char *p = data;

    while (size > 0) {
        const ssize_t n = send(s->descriptor, p, size, MSG_NOSIGNAL);

        if (n > 0) {
            p += n;
            size -= (size_t)n;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            const es_status status = wait_for(s->descriptor, POLLOUT, deadline_ms);

            if (status != ES_OK) {
                return status;
            }
        } else if (n < 0 && errno != EINTR) {
            return ES_ERR_NET_CLOSED;
        }
    }
    return ES_OK;
}

static es_status net_receive(void *context, void *data, size_t size, size_t *received, uint64_t deadline_ms)
{
    const es_net_socket *s = context;

    *received = 0;
    for (;;) {
        /* Waiting first makes the deadline hold for a server that always has a
         * byte ready. */
        const es_status status = wait_for(s->descriptor, POLLIN, deadline_ms);
        ssize_t n;

        if (status != ES_OK) {
            return status;
        }
        n = recv(s->descriptor, data, size, 0);
        if (n >= 0) {
            *received = (size_t)n;
            return ES_OK;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            return ES_ERR_NET_CLOSED;
        }
    }
}

void es_clock_monotonic(es_clock *clock)
{
    clock->context = NULL;
    clock->milliseconds = milliseconds;
}

void es_net_socket_init(es_net_socket *s, es_net *net)
{
    s->descriptor = -1;
    net->context = s;
    net->has_tls = false;
    net->connect = net_connect;
    net->send = net_send;
    net->receive = net_receive;
    net->close = net_close;
}
