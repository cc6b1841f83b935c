#include "version.h"

/* A number of at most `limit` at *p, without leading zeros; advances. */
static bool read_number(const char **p, uint32_t limit, uint32_t *out)
{
    const char *start = *p;
    uint32_t value = 0;

    while (**p >= '0' && **p <= '9' && *p - start < 6) {
        value = value * 10 + (uint32_t)(**p - '0');
        (*p)++;
    }
    *out = value;
    return *p > start && value <= limit && (start[0] != '0' || *p - start == 1);
}

bool es_version_parse(const char *text, es_version *out)
{
    const char *p = text;

    return read_number(&p, 255, &out->major) && *p++ == '.' && read_number(&p, 255, &out->minor) && *p++ == '.' &&
           read_number(&p, 65535, &out->build) && *p == '\0';
}

static int compare(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

int es_version_compare(const es_version *a, const es_version *b)
{
    if (a->major != b->major) {
        return compare(a->major, b->major);
    }
    return a->minor != b->minor ? compare(a->minor, b->minor) : compare(a->build, b->build);
}

char *es_write_number(char *p, uint32_t value)
{
    char digits[10];
    int n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (n > 0) {
        *p++ = digits[--n];
    }
    return p;
}

void es_version_format(const es_version *v, char out[ES_VERSION_TEXT])
{
    char *p = es_write_number(out, v->major & 0xFF);

    *p++ = '.';
    p = es_write_number(p, v->minor & 0xFF);
    *p++ = '.';
    p = es_write_number(p, v->build & 0xFFFF);
    *p = '\0';
}
