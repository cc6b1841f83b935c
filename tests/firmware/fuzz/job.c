/* Any bytes as a job document and as a URL. */
#include <stdlib.h>
#include <string.h>

#include "ota/http.h"
#include "ota/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static es_job job;
    es_url url;
    char *text = malloc(size + 1);

    if (text == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    if (es_job_parse(&job, (const char *)data, size) == ES_OK && job.available &&
        (job.file[0] == '\0' || job.server[0] == '\0' || job.port == 0)) {
        abort();
    }
    if (es_url_parse(&url, text) == ES_OK && (url.host[0] == '\0' || (url.path[0] != '\0' && url.path[0] != '/'))) {
        abort();
    }
    free(text);
    return 0;
}
