/* How much update metadata the client holds. A port may set others (-D), the
 * same ones for all of its files. Bytes of a file are bounded by the buffer
 * that the port hands over (refresh.h): 16 KB are enough for all of these. */
#ifndef ES_OTA_TUF_LIMITS_H
#define ES_OTA_TUF_LIMITS_H

/* Keys of all roles of a root, and of one role. A key takes 98 bytes of RAM, twice. */
#ifndef ES_TUF_KEYS
#define ES_TUF_KEYS 16
#endif
#ifndef ES_TUF_ROLE_KEYS
#define ES_TUF_ROLE_KEYS 8
#endif

/* Signatures of a file. Each is compared with each for repeated key ids. */
#ifndef ES_TUF_SIGNATURES
#define ES_TUF_SIGNATURES 32
#endif

/* Files that a snapshot lists: 36 bytes of RAM each. */
#ifndef ES_TUF_SNAPSHOT_ENTRIES
#define ES_TUF_SNAPSHOT_ENTRIES 16
#endif

/* Members of an object whose keys are not in order in the file: it is read
 * once for each of them. Objects in order have no limit. */
#ifndef ES_TUF_UNSORTED_MEMBERS
#define ES_TUF_UNSORTED_MEMBERS 256
#endif

/* Root versions that one refresh goes forward. */
#ifndef ES_TUF_ROOT_UPDATES
#define ES_TUF_ROOT_UPDATES 32
#endif

/* Bytes of a timestamp file, which is fetched at every refresh and has no
 * announced length. */
#ifndef ES_TUF_TIMESTAMP_BYTES
#define ES_TUF_TIMESTAMP_BYTES 8192
#endif

#endif
