/* Any bytes as a WAV file: what is found lies inside. */
#include <stdlib.h>

#include "port/wav.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t offset;
    size_t count;

    if (es_wav_parse(data, size, &offset, &count) == ES_OK &&
        (count == 0 || offset > size || count > (size - offset) / 2)) {
        abort();
    }
    return 0;
}
