#include <string.h>

#include "cy_secure_sockets.h"
#include "cy_tls.h"
#include "es_port.h"

static struct {
    cy_socket_t socket;
    bool created;
    const es_clock *clock;
} connection;

/* Milliseconds until the deadline; 0 when it is over. */
static uint32_t left(uint64_t deadline_ms)
{
    const uint64_t now = connection.clock->milliseconds(connection.clock->context);

    if (now >= deadline_ms) {
        return 0;
    }
    return deadline_ms - now > UINT32_MAX ? UINT32_MAX : (uint32_t)(deadline_ms - now);
}

static es_status status_of(cy_rslt_t result)
{
    return result == CY_RSLT_SUCCESS ? ES_OK
           : result == CY_RSLT_MODULE_SECURE_SOCKETS_TIMEOUT ? ES_ERR_NET_TIMEOUT
                                                             : ES_ERR_NET_CLOSED;
}

static bool set_option(int level, int option, const void *value, size_t size)
{
    return cy_socket_setsockopt(connection.socket, level, option, value, (uint32_t)size) == CY_RSLT_SUCCESS;
}

/* What is called next ends by the deadline: ES_ERR_NET_TIMEOUT when it is over. */
static es_status set_deadline(int option, uint64_t deadline_ms)
{
    const uint32_t timeout = left(deadline_ms);

    if (timeout == 0) {
        return ES_ERR_NET_TIMEOUT;
    }
    return set_option(CY_SOCKET_SOL_SOCKET, option, &timeout, sizeof timeout) ? ES_OK : ES_ERR_NET_CLOSED;
}

static void net_close(void *context)
{
    (void)context;
    if (connection.created) {
        (void)cy_socket_disconnect(connection.socket, 0);
        (void)cy_socket_delete(connection.socket);
    }
    connection.created = false;
}

/* The server must show a certificate of its name, signed by a root that was loaded. */
static bool prepare_tls(const char *host)
{
    const cy_socket_tls_auth_mode_t mode = CY_SOCKET_TLS_VERIFY_REQUIRED;

    return set_option(CY_SOCKET_SOL_TLS, CY_SOCKET_SO_TLS_AUTH_MODE, &mode, sizeof mode) &&
           set_option(CY_SOCKET_SOL_TLS, CY_SOCKET_SO_SERVER_NAME_INDICATION, host, strlen(host));
}

/* The name is looked up, and TCP connects, in the stack's own time, which is
 * bounded but not by the deadline; TLS keeps it for each of its packets. */
static es_status net_connect(void *context, const char *host, uint16_t port, bool tls, uint64_t deadline_ms)
{
    cy_socket_sockaddr_t address;
    es_status status;

    net_close(context);
    memset(&address, 0, sizeof address);
    address.port = port;
    if (cy_socket_gethostbyname(host, CY_SOCKET_IP_VER_V4, &address.ip_address) != CY_RSLT_SUCCESS ||
        cy_socket_create(CY_SOCKET_DOMAIN_AF_INET, CY_SOCKET_TYPE_STREAM,
                         tls ? CY_SOCKET_IPPROTO_TLS : CY_SOCKET_IPPROTO_TCP, &connection.socket) != CY_RSLT_SUCCESS) {
        return ES_ERR_NET_CONNECT;
    }
    connection.created = true;
    status = set_deadline(CY_SOCKET_SO_RCVTIMEO, deadline_ms);
    if (status == ES_OK) {
        status = set_deadline(CY_SOCKET_SO_SNDTIMEO, deadline_ms);
    }
    if (status == ES_OK && ((tls && !prepare_tls(host)) ||
                            cy_socket_connect(connection.socket, &address, sizeof address) != CY_RSLT_SUCCESS)) {
        status = ES_ERR_NET_CONNECT;
    }
    if (status != ES_OK) {
        net_close(context);
    }
    return status;
}

static es_status net_send(void *context, const void *data, size_t size, uint64_t deadline_ms)
{
    const uint8_t *from = data;
    es_status status = ES_OK;

    (void)context;
    while (size > 0 && status == ES_OK) {
        uint32_t sent = 0;

        status = set_deadline(CY_SOCKET_SO_SNDTIMEO, deadline_ms);
        if (status == ES_OK) {
            status = status_of(
                cy_socket_send(connection.socket, from, (uint32_t)size, CY_SOCKET_FLAGS_NONE, &sent));
        }
        from += sent;
        size -= sent;
    }
    return status;
}

static es_status net_receive(void *context, void *data, size_t size, size_t *received, uint64_t deadline_ms)
{
    uint32_t count = 0;
    cy_rslt_t result;
    es_status status;

    (void)context;
    *received = 0;
    status = set_deadline(CY_SOCKET_SO_RCVTIMEO, deadline_ms);
    if (status != ES_OK) {
        return status;
    }
    result = cy_socket_recv(connection.socket, data, (uint32_t)size, CY_SOCKET_FLAGS_NONE, &count);
    *received = count;
    /* That the peer has closed is told as an error here, as no bytes in es_net. */
    return count > 0 || result == CY_RSLT_MODULE_SECURE_SOCKETS_CLOSED ? ES_OK : status_of(result);
}

bool es_net_open(es_net *net, const es_clock *clock, const char *root_certificates)
{
    const size_t size = strlen(root_certificates);

    connection.clock = clock;
    net->context = NULL;
    net->has_tls = true;
    net->connect = net_connect;
    net->send = net_send;
    net->receive = net_receive;
    net->close = net_close;
    return cy_socket_init() == CY_RSLT_SUCCESS &&
           (size == 0 || cy_tls_load_global_root_ca_certificates(root_certificates, (uint32_t)size) == CY_RSLT_SUCCESS);
}
