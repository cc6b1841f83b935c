#include <string.h>

#include "cy_wcm.h"
#include "earshot_secrets.h"
#include "es_port.h"

typedef char network_name_has_room[sizeof ES_WIFI_SSID <= CY_WCM_MAX_SSID_LEN + 1 ? 1 : -1];
typedef char password_has_room[sizeof ES_WIFI_PASSWORD <= CY_WCM_MAX_PASSPHRASE_LEN + 1 ? 1 : -1];

bool es_wifi_connect(uint8_t address[4])
{
    static bool ready;
    static cy_wcm_connect_params_t network;
    static cy_wcm_ip_address_t ip;
    cy_wcm_config_t config = {.interface = CY_WCM_INTERFACE_TYPE_STA};

    if (!ready) {
        ready = cy_wcm_init(&config) == CY_RSLT_SUCCESS;
    }
    if (!ready) {
        return false;
    }
    if (cy_wcm_is_connected_to_ap() == 0) {
        memset(&network, 0, sizeof network);
        memcpy(network.ap_credentials.SSID, ES_WIFI_SSID, sizeof ES_WIFI_SSID);
        memcpy(network.ap_credentials.password, ES_WIFI_PASSWORD, sizeof ES_WIFI_PASSWORD);
        network.ap_credentials.security = ES_WIFI_SECURITY;
        if (cy_wcm_connect_ap(&network, &ip) != CY_RSLT_SUCCESS) {
            return false;
        }
    }
    memcpy(address, &ip.ip.v4, 4);
    return true;
}
