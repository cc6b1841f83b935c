/* Versions x.y.z, compared as numbers. */
#ifndef ES_OTA_VERSION_H
#define ES_OTA_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ES_VERSION_TEXT 16 /* with its NUL */

typedef struct {
    uint32_t major;
    uint32_t minor;
    uint32_t build;
} es_version;

/* Writes a number in decimal, at most ten digits and no NUL; the end of it. */
char *es_write_number(char *p, uint32_t value);

/* Exactly three decimal numbers without signs, spaces or leading zeros, within
 * an MCUboot header's fields (255.255.65535). */
bool es_version_parse(const char *text, es_version *out);

/* Less than, equal to or greater than 0. */
int es_version_compare(const es_version *a, const es_version *b);

void es_version_format(const es_version *v, char out[ES_VERSION_TEXT]);

#endif
