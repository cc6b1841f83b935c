#include "errors.h"

static const char *const texts[] = {
    "no error",
#define ES_ERROR_TEXT(code, text) text,
    ES_ERRORS(ES_ERROR_TEXT)
#undef ES_ERROR_TEXT
};

static const char *const names[] = {
    "ES_OK",
#define ES_ERROR_NAME(code, text) #code,
    ES_ERRORS(ES_ERROR_NAME)
#undef ES_ERROR_NAME
};

const char *es_error_text(int code)
{
    return code < 0 || code >= ES_ERR_COUNT ? "unknown error code" : texts[code];
}

const char *es_error_name(int code)
{
    return code < 0 || code >= ES_ERR_COUNT ? "ES_ERR_UNKNOWN" : names[code];
}
