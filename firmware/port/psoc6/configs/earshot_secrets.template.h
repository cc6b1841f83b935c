/* What a board must be told, and nobody else. Copy this file to
 * earshot_secrets.h, which git ignores, and fill it in there.
 *
 * An empty network name or releases URL, or a signing key of zeros, makes a
 * board that listens with its factory model and never asks for updates. A
 * device key of zeros makes one that sends no reports. */
#ifndef EARSHOT_SECRETS_H
#define EARSHOT_SECRETS_H

#define ES_WIFI_SSID ""
#define ES_WIFI_PASSWORD ""
#define ES_WIFI_SECURITY CY_WCM_SECURITY_WPA2_AES_PSK

/* The id under which the fleet knows this board's public key. */
#define ES_DEVICE_ID ""

/* "https://" and the stack's ReleasesDomain; the stack's DeviceApi with /reports
 * behind. An empty reports URL: none are sent. */
#define ES_RELEASES_URL ""
#define ES_REPORTS_URL ""

/* PEM text of the root certificates that sign the two hosts', one behind the
 * other, each line ending in \n. */
#define ES_ROOT_CERTIFICATES ""

/* The public signing key: 91 bytes of SubjectPublicKeyInfo DER, as C numbers.
 * `xxd -i < key.der` prints them. */
#define ES_SIGNING_KEY 0

/* The root of the update metadata, root.json as a C string: `jq -c . root.json | jq -R .`
 * prints it. The board stores it at its first start and follows nothing else from
 * then on; empty: it follows job documents. */
#define ES_UPDATE_ROOT ""

/* This board's own private key: 32 bytes. `earshot-device ... provision` makes
 * one (device.key), `xxd -i < device.key` prints it. Anyone who can read the
 * chip's flash can read it: a product keeps it in a secure element instead. */
#define ES_DEVICE_KEY 0

#endif
