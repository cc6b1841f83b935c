/* The factory model: model.c and model.h of a release, copied to factory/. */
#include "es_port.h"

#include <string.h>

#include "es_store.h"

#if defined(ES_FACTORY_MODEL)
/* Said before model.c defines it: the array goes to the place that
 * linker/earshot.ld keeps for it, and that a firmware release fills anew. */
extern const uint8_t earshot_model[] __attribute__((section(".earshot_model")));

#include "factory/model.c"

typedef char factory_model_has_room[EARSHOT_MODEL_BYTES <= ES_FACTORY_SIZE ? 1 : -1];
typedef char factory_version_has_room[sizeof EARSHOT_MODEL_VERSION <= ES_VERSION_TEXT ? 1 : -1];

bool es_factory_model(es_model_place *place)
{
    place->data = earshot_model;
    place->size = EARSHOT_MODEL_BYTES;
    memcpy(place->version, EARSHOT_MODEL_VERSION, sizeof EARSHOT_MODEL_VERSION);
    return true;
}
#else
bool es_factory_model(es_model_place *place)
{
    memset(place, 0, sizeof *place);
    return false;
}
#endif
