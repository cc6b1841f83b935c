/* secure-sockets API reference, "TLS API": PEM text, its length without the NUL. */
#ifndef THIN_CY_TLS_H
#define THIN_CY_TLS_H

#include "cy_result.h"

cy_rslt_t cy_tls_load_global_root_ca_certificates(const char *certificates, const uint32_t length);

#endif
