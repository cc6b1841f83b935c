/* Any bytes as JSON and as a model card. */
#include <stdlib.h>
#include <string.h>

#include "core/card.h"
#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every token, and every string with hardly any room. */
static void read_all(const char *text, size_t size)
{
    es_json j;
    es_json_kind kind;
    char out[8];
    int32_t number;

    es_json_open(&j, text, size);
    while ((kind = es_json_next(&j)) != ES_JSON_END) {
        if (kind == ES_JSON_NUMBER && es_json_integer(&j, -100, 100, &number) && (number < -100 || number > 100)) {
            abort();
        }
        if (kind == ES_JSON_STRING || kind == ES_JSON_KEY) {
            es_json copy = j;

            if (es_json_string(&copy, out, sizeof out) == ES_OK && strlen(out) >= sizeof out) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static es_card card;

    read_all((const char *)data, size);
    if (es_card_parse(&card, (const char *)data, size) == ES_OK &&
        (card.label_count == 0 || card.label_count > ES_LABELS || card.recogniser.threshold > 255)) {
        abort();
    }
    return 0;
}
