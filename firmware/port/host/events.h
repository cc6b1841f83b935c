/* What the program says: one JSON object a line on stdout. */
#ifndef ES_PORT_HOST_EVENTS_H
#define ES_PORT_HOST_EVENTS_H

#include <stddef.h>
#include <stdint.h>

/* Begins a line with its "event"; then its members; then es_event_end. */
void es_event_begin(const char *name);
void es_event_text(const char *key, const char *text);
void es_event_number(const char *key, int64_t value);
void es_event_hex(const char *key, const uint8_t *bytes, size_t size);
void es_event_numbers(const char *key, const int8_t *values, size_t count);
void es_event_end(void);

/* {"event":"error","reason":reason}, with a file's name where not NULL. */
void es_event_error(const char *file, const char *reason);

#endif
