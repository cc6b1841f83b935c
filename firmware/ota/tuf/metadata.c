#include "metadata.h"

#include <string.h>

#include "canonical.h"

const char *es_tuf_role_name(es_tuf_role role)
{
    static const char *const names[ES_TUF_ROLES] = {"root", "timestamp", "snapshot", "targets"};

    return names[role];
}

es_status es_tuf_document_read(es_tuf_document *document, const uint8_t *data, size_t size)
{
    es_tuf_value whole;
    es_sha256 hash;
    es_status status = es_tuf_value_check(&whole, (const char *)data, size);

    if (status == ES_OK) {
        status = es_tuf_canonical(&whole, NULL); /* no key is twice, anywhere */
    }
    if (status != ES_OK) {
        return status;
    }
    if (!es_tuf_value_member(&whole, "signed", &document->content) || document->content.kind != ES_JSON_OBJECT ||
        !es_tuf_value_member(&whole, "signatures", &document->signatures) ||
        document->signatures.kind != ES_JSON_ARRAY) {
        return ES_ERR_TUF_FIELD;
    }
    es_sha256_start(&hash);
    status = es_tuf_canonical(&document->content, &hash);
    es_sha256_end(&hash, document->digest);
    return status;
}

/* `digits` decimal digits at p. */
static bool read_digits(const char *p, int digits, unsigned *out)
{
    *out = 0;
    for (; digits > 0; digits--, p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }
        *out = *out * 10 + (unsigned)(*p - '0');
    }
    return true;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

/* "2030-01-31T23:59:59Z", of 1970 or later. */
static bool read_time(const es_tuf_value *value, uint64_t *seconds)
{
    char t[21];
    unsigned year, month, day, hour, minute, second, before;
    uint32_t days;
    unsigned m;

    if (!es_tuf_string_copy(value, t, sizeof t) || strlen(t) != 20 || t[4] != '-' || t[7] != '-' || t[10] != 'T' ||
        t[13] != ':' || t[16] != ':' || t[19] != 'Z' || !read_digits(t, 4, &year) || !read_digits(t + 5, 2, &month) ||
        !read_digits(t + 8, 2, &day) || !read_digits(t + 11, 2, &hour) || !read_digits(t + 14, 2, &minute) ||
        !read_digits(t + 17, 2, &second) || year < 1970 || month < 1 || month > 12 || day < 1 ||
        day > days_of_month(year, month) || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    before = year - 1; /* leap days up to the end of the year before; 477 up to the end of 1969 */
    days = (year - 1970) * 365 + before / 4 - before / 100 + before / 400 - 477;
    for (m = 1; m < month; m++) {
        days += days_of_month(year, m);
    }
    days += day - 1;
    *seconds = (uint64_t)days * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

/* "1.x" or "1.x.y" */
static bool is_known_spec(const es_tuf_value *value)
{
    char text[16];

    return es_tuf_string_copy(value, text, sizeof text) && strncmp(text, "1.", 2) == 0 && text[2] != '\0' &&
           strspn(text, "0123456789.") == strlen(text);
}

es_status es_tuf_header_read(es_tuf_header *header, const es_tuf_document *document, es_tuf_role role)
{
    const es_tuf_value *content = &document->content;
    es_tuf_value value;

    if (!es_tuf_value_member(content, "_type", &value)) {
        return ES_ERR_TUF_FIELD;
    }
    if (!es_tuf_string_is(&value, es_tuf_role_name(role))) {
        return ES_ERR_TUF_TYPE;
    }
    if (!es_tuf_value_member(content, "spec_version", &value) || !is_known_spec(&value)) {
        return ES_ERR_TUF_SPEC;
    }
    if (!es_tuf_value_member(content, "version", &value) || !es_tuf_integer(&value, 1, &header->version) ||
        !es_tuf_value_member(content, "expires", &value) || !read_time(&value, &header->expires)) {
        return ES_ERR_TUF_FIELD;
    }
    return ES_OK;
}

es_status es_tuf_meta(const es_tuf_document *document, es_tuf_value *meta)
{
    return es_tuf_value_member(&document->content, "meta", meta) && meta->kind == ES_JSON_OBJECT ? ES_OK
                                                                                                : ES_ERR_TUF_FIELD;
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool es_tuf_hex(const es_tuf_value *string, uint8_t *out, size_t room, size_t *size)
{
    es_tuf_bytes bytes;
    int byte;

    *size = 0;
    if (string->kind != ES_JSON_STRING) {
        return false;
    }
    es_tuf_bytes_start(&bytes, string);
    for (byte = es_tuf_bytes_next(&bytes); byte >= 0; byte = es_tuf_bytes_next(&bytes)) {
        const int high = hex_digit(byte);
        const int low = hex_digit(es_tuf_bytes_next(&bytes));

        if (high < 0 || low < 0 || *size == room) {
            return false;
        }
        out[(*size)++] = (uint8_t)(high * 16 + low);
    }
    return true;
}

void es_tuf_string_hash(const es_tuf_value *string, uint8_t out[ES_SHA256_BYTES])
{
    es_sha256 hash;
    es_tuf_bytes bytes;
    int byte;

    es_sha256_start(&hash);
    es_tuf_bytes_start(&bytes, string);
    for (byte = es_tuf_bytes_next(&bytes); byte >= 0; byte = es_tuf_bytes_next(&bytes)) {
        const uint8_t b = (uint8_t)byte;

        es_sha256_add(&hash, &b, 1);
    }
    es_sha256_end(&hash, out);
}

/* {"sha256": "…", …} */
static es_status read_hashes(const es_tuf_value *hashes, uint8_t digest[ES_SHA256_BYTES])
{
    es_tuf_value value;
    size_t size;

    if (hashes->kind != ES_JSON_OBJECT) {
        return ES_ERR_TUF_FIELD;
    }
    if (!es_tuf_value_member(hashes, "sha256", &value)) {
        return ES_ERR_TUF_HASH_KIND;
    }
    return es_tuf_hex(&value, digest, ES_SHA256_BYTES, &size) && size == ES_SHA256_BYTES ? ES_OK : ES_ERR_TUF_FIELD;
}

es_status es_tuf_entry_read(es_tuf_entry *entry, const es_tuf_value *value)
{
    es_tuf_value field;

    memset(entry, 0, sizeof *entry);
    if (!es_tuf_value_member(value, "version", &field) || !es_tuf_integer(&field, 1, &entry->version)) {
        return ES_ERR_TUF_FIELD;
    }
    entry->has_length = es_tuf_value_member(value, "length", &field);
    if (entry->has_length && !es_tuf_integer(&field, 0, &entry->length)) {
        return ES_ERR_TUF_FIELD;
    }
    entry->has_digest = es_tuf_value_member(value, "hashes", &field);
    return entry->has_digest ? read_hashes(&field, entry->digest) : ES_OK;
}

es_status es_tuf_target_find(es_tuf_target *target, const uint8_t *data, size_t size, const char *path)
{
    es_tuf_value whole;
    es_tuf_value value;
    es_tuf_value field;
    es_status status = es_tuf_value_check(&whole, (const char *)data, size);

    memset(target, 0, sizeof *target);
    if (status != ES_OK) {
        return status;
    }
    if (!es_tuf_value_member(&whole, "signed", &value) || !es_tuf_value_member(&value, "targets", &field) ||
        field.kind != ES_JSON_OBJECT) {
        return ES_ERR_TUF_FIELD;
    }
    if (!es_tuf_value_member(&field, path, &value)) {
        return ES_ERR_TUF_TARGET;
    }
    if (!es_tuf_value_member(&value, "length", &field) || !es_tuf_integer(&field, 0, &target->length) ||
        !es_tuf_value_member(&value, "hashes", &field)) {
        return ES_ERR_TUF_FIELD;
    }
    status = read_hashes(&field, target->digest);
    if (status == ES_OK && es_tuf_value_member(&value, "custom", &field)) {
        if (field.kind != ES_JSON_OBJECT) {
            return ES_ERR_TUF_FIELD;
        }
        target->custom = field.text;
        target->custom_size = field.size;
    }
    return status;
}
