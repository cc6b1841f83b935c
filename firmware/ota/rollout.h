/* Which boards a staged rollout reaches. */
#ifndef ES_OTA_ROLLOUT_H
#define ES_OTA_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the device is among the first `percent` of all: with u the first four
 * bytes, big-endian, of SHA-256(salt ‖ ":" ‖ device), floor(u · 100 / 2^32) is
 * below it. Who is among the first 10 % is among the first 50 % too; another
 * salt, another order. 100 reaches everybody, 0 nobody. */
bool es_rollout_selects(uint32_t percent, const char *salt, const char *device);

#endif
