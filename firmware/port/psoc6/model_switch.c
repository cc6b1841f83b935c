#include "es_model_switch.h"

#include <string.h>

#include "app/barrier.h"

/* What the other task wrote before its move is seen after this one, and what
 * this task wrote before its own move is seen by the other. */
static bool move(es_model_switch *s, es_switch_state from, es_switch_state to)
{
    if (s->state != from) {
        return false;
    }
    es_memory_barrier();
    s->state = to;
    return true;
}

void es_switch_init(es_model_switch *s)
{
    memset(s, 0, sizeof *s);
    s->state = ES_SWITCH_LISTENING;
}

bool es_switch_ask(es_model_switch *s)
{
    return move(s, ES_SWITCH_LISTENING, ES_SWITCH_ASKED);
}

bool es_switch_is_lent(const es_model_switch *s)
{
    const bool lent = s->state == ES_SWITCH_LENT;

    es_memory_barrier();
    return lent;
}

bool es_switch_give_back(es_model_switch *s, const es_model_place *next)
{
    if (!es_switch_is_lent(s)) {
        return false;
    }
    s->next = *next;
    return move(s, ES_SWITCH_LENT, ES_SWITCH_RETURNED);
}

bool es_switch_lend(es_model_switch *s)
{
    return move(s, ES_SWITCH_ASKED, ES_SWITCH_LENT);
}

bool es_switch_take(es_model_switch *s, es_model_place *next)
{
    if (s->state != ES_SWITCH_RETURNED) {
        return false;
    }
    es_memory_barrier();
    *next = s->next;
    return move(s, ES_SWITCH_RETURNED, ES_SWITCH_LISTENING);
}
