/* secure-sockets API reference, "Secure Sockets API": TCP and TLS alike. Time-outs are uint32_t milliseconds. */
#ifndef THIN_CY_SECURE_SOCKETS_H
#define THIN_CY_SECURE_SOCKETS_H

#include "cy_result.h"

typedef void *cy_socket_t;
typedef enum { CY_SOCKET_IP_VER_V4 = 4 } cy_socket_ip_version_t;
typedef enum { CY_SOCKET_TLS_VERIFY_REQUIRED = 2 } cy_socket_tls_auth_mode_t;
typedef struct {
    cy_socket_ip_version_t version;
    uint32_t ip;
} cy_socket_ip_address_t;
typedef struct {
    uint16_t port; /* in this machine's byte order */
    cy_socket_ip_address_t ip_address;
} cy_socket_sockaddr_t;

#define CY_SOCKET_DOMAIN_AF_INET 2
#define CY_SOCKET_TYPE_STREAM 1
#define CY_SOCKET_IPPROTO_TCP 1
#define CY_SOCKET_IPPROTO_TLS 3
#define CY_SOCKET_SOL_SOCKET 1
#define CY_SOCKET_SOL_TLS 3
#define CY_SOCKET_SO_RCVTIMEO 0
#define CY_SOCKET_SO_SNDTIMEO 1
#define CY_SOCKET_SO_SERVER_NAME_INDICATION 14
#define CY_SOCKET_SO_TLS_AUTH_MODE 16
#define CY_SOCKET_FLAGS_NONE 0

/* "Secure Sockets results/error codes" */
#define CY_RSLT_MODULE_SECURE_SOCKETS_CLOSED ((cy_rslt_t)5)
#define CY_RSLT_MODULE_SECURE_SOCKETS_TIMEOUT ((cy_rslt_t)11)

cy_rslt_t cy_socket_init(void);
cy_rslt_t cy_socket_create(int domain, int type, int protocol, cy_socket_t *handle);
cy_rslt_t cy_socket_setsockopt(cy_socket_t handle, int level, int option, const void *value, uint32_t size);
cy_rslt_t cy_socket_gethostbyname(const char *name, cy_socket_ip_version_t version, cy_socket_ip_address_t *address);
cy_rslt_t cy_socket_connect(cy_socket_t handle, cy_socket_sockaddr_t *address, uint32_t size);
cy_rslt_t cy_socket_send(cy_socket_t handle, const void *data, uint32_t size, int flags, uint32_t *sent);
cy_rslt_t cy_socket_recv(cy_socket_t handle, void *data, uint32_t size, int flags, uint32_t *received);
cy_rslt_t cy_socket_disconnect(cy_socket_t handle, uint32_t timeout_ms);
cy_rslt_t cy_socket_delete(cy_socket_t handle);

#endif
