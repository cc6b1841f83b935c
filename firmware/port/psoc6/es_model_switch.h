/* One arena, two tasks: who may use it, and which model is opened next.
 *
 *   listening --ask--> asked --lend--> lent --give_back--> returned --take--> listening
 *      ^ update          ^ listen         ^ update             ^ listen
 *
 * In each state exactly one task may make the next move, so no lock is needed:
 * a move is one store, behind a barrier. A move out of turn does nothing and
 * answers false. The listen task lends between two steps, never within one. */
#ifndef ES_MODEL_SWITCH_H
#define ES_MODEL_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "ota/version.h"

/* A model in flash; data NULL where there is none. */
typedef struct {
    const uint8_t *data;
    uint32_t size;
    char version[ES_VERSION_TEXT];
} es_model_place;

typedef enum { ES_SWITCH_LISTENING, ES_SWITCH_ASKED, ES_SWITCH_LENT, ES_SWITCH_RETURNED } es_switch_state;

typedef struct {
    volatile es_switch_state state;
    es_model_place next;
} es_model_switch;

void es_switch_init(es_model_switch *s);

/* The update task's moves. */
bool es_switch_ask(es_model_switch *s);
bool es_switch_is_lent(const es_model_switch *s);
bool es_switch_give_back(es_model_switch *s, const es_model_place *next);

/* The listen task's moves. */
bool es_switch_lend(es_model_switch *s);
bool es_switch_take(es_model_switch *s, es_model_place *next);

#endif
