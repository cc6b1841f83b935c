/* Whole files, for ports whose C library reads them. */
#ifndef ES_PORT_FILE_H
#define ES_PORT_FILE_H

#include <stddef.h>

#define ES_FILE_BYTES (64u * 1024u * 1024u)

/* All bytes of a file of at most ES_FILE_BYTES, with room for one more after
 * them, aligned for any use and to be freed; NULL if it cannot be read or is larger than the memory that is left. */
void *es_file_load(const char *path, size_t *size);

#endif
