/* es_net over a TCP socket, es_clock over the monotonic clock. */
#ifndef ES_PORT_HOST_NET_SOCKET_H
#define ES_PORT_HOST_NET_SOCKET_H

#include "../../hal/clock.h"
#include "../../hal/net.h"

typedef struct {
    int descriptor;
} es_net_socket;

void es_clock_monotonic(es_clock *clock);
void es_net_socket_init(es_net_socket *s, es_net *net);

#endif
