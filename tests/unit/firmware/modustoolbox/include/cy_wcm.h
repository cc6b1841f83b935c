/* wifi-connection-manager API reference: SSID and password end with NUL. */
#ifndef THIN_CY_WCM_H
#define THIN_CY_WCM_H

#include "cy_result.h"

#define CY_WCM_MAX_SSID_LEN 32
#define CY_WCM_MAX_PASSPHRASE_LEN 63

typedef enum { CY_WCM_INTERFACE_TYPE_STA } cy_wcm_interface_t;
typedef enum { CY_WCM_SECURITY_WPA2_AES_PSK = 0x00400004 } cy_wcm_security_t;
typedef struct {
    cy_wcm_interface_t interface;
} cy_wcm_config_t;
typedef struct {
    struct {
        uint8_t SSID[CY_WCM_MAX_SSID_LEN + 1];
        uint8_t password[CY_WCM_MAX_PASSPHRASE_LEN + 1];
        cy_wcm_security_t security;
    } ap_credentials;
} cy_wcm_connect_params_t;
typedef struct {
    struct {
        uint32_t v4; /* in network byte order */
    } ip;
} cy_wcm_ip_address_t;

cy_rslt_t cy_wcm_init(cy_wcm_config_t *config);
cy_rslt_t cy_wcm_connect_ap(cy_wcm_connect_params_t *network, cy_wcm_ip_address_t *address);
uint8_t cy_wcm_is_connected_to_ap(void);

#endif
