#include "keyring.h"

#include <string.h>

/* The index of the key with this id, or `count`. */
static size_t find_key(const es_tuf_root *root, const es_tuf_value *id)
{
    uint8_t hashed[ES_SHA256_BYTES];
    size_t i = 0;

    es_tuf_string_hash(id, hashed);
    while (i < root->count && memcmp(root->keys[i].id, hashed, sizeof hashed) != 0) {
        i++;
    }
    return i;
}

/* {"keyids": […], "threshold": n} */
static es_status read_role(es_tuf_root *root, es_tuf_role role, const es_tuf_value *value)
{
    const uint8_t bit = (uint8_t)(1u << role);
    es_tuf_walk walk;
    es_tuf_value field;
    es_tuf_value id;
    uint32_t threshold;
    size_t keys = 0;

    if (!es_tuf_value_member(value, "threshold", &field) || !es_tuf_integer(&field, 1, &threshold) ||
        !es_tuf_value_member(value, "keyids", &field) || field.kind != ES_JSON_ARRAY) {
        return ES_ERR_TUF_FIELD;
    }
    root->threshold[role] = (uint8_t)(threshold < UINT8_MAX ? threshold : UINT8_MAX);
    es_tuf_walk_start(&walk, &field);
    while (es_tuf_walk_next(&walk, NULL, &id)) {
        size_t i;

        if (id.kind != ES_JSON_STRING) {
            return ES_ERR_TUF_FIELD;
        }
        i = find_key(root, &id);
        if (i == ES_TUF_KEYS || keys++ == ES_TUF_ROLE_KEYS) {
            return ES_ERR_TUF_LIMIT;
        }
        if (i == root->count) {
            es_tuf_string_hash(&id, root->keys[root->count++].id);
        } else if ((root->keys[i].roles & bit) != 0) {
            return ES_ERR_TUF_KEYID;
        }
        root->keys[i].roles |= bit;
    }
    return ES_OK;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c == '\0' ? NULL : strchr(digits, c);

    return p == NULL ? -1 : (int)(p - digits);
}

/* The point of a P-256 key in PEM: 91 bytes of SubjectPublicKeyInfo in base64,
 * on lines of any length. */
static bool read_pem(const char *pem, uint8_t point[ES_P256_POINT_BYTES])
{
    static const char begin[] = "-----BEGIN PUBLIC KEY-----";
    static const char end[] = "-----END PUBLIC KEY-----";
    uint8_t der[ES_P256_SPKI_BYTES];
    uint32_t bits = 0;
    int count = 0;
    size_t size = 0;
    const char *p = pem + sizeof begin - 1;

    if (strncmp(pem, begin, sizeof begin - 1) != 0) {
        return false;
    }
    for (; *p != '-' && *p != '='; p++) {
        const int digit = base64_digit(*p);

        if (*p == '\n' || *p == '\r') {
            continue;
        }
        if (digit < 0) {
            return false;
        }
        bits = (bits << 6) | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            if (size == sizeof der) {
                return false;
            }
            der[size++] = (uint8_t)(bits >> count);
        }
    }
    p += strspn(p, "=\r\n");
    return strncmp(p, end, sizeof end - 1) == 0 && es_der_public_key(der, size, point);
}

/* {"keytype": …, "scheme": …, "keyval": {"public": …}} */
static void read_key(es_tuf_key *key, const es_tuf_value *value)
{
    char pem[256];
    es_tuf_value field;
    es_tuf_value public_key;

    key->usable = es_tuf_value_member(value, "keytype", &field) &&
                  (es_tuf_string_is(&field, "ecdsa") || es_tuf_string_is(&field, "ecdsa-sha2-nistp256")) &&
                  es_tuf_value_member(value, "scheme", &field) && es_tuf_string_is(&field, "ecdsa-sha2-nistp256") &&
                  es_tuf_value_member(value, "keyval", &field) &&
                  es_tuf_value_member(&field, "public", &public_key) &&
                  es_tuf_string_copy(&public_key, pem, sizeof pem) && read_pem(pem, key->point);
}

es_status es_tuf_root_read(es_tuf_root *root, const es_tuf_document *document)
{
    es_tuf_value roles;
    es_tuf_value keys;
    es_tuf_value key;
    es_tuf_value value;
    es_tuf_walk walk;
    es_status status;
    int role;

    memset(root, 0, sizeof *root);
    status = es_tuf_header_read(&root->header, document, ES_TUF_ROOT);
    if (status != ES_OK) {
        return status;
    }
    if (es_tuf_value_member(&document->content, "consistent_snapshot", &value)) {
        if (value.kind != ES_JSON_TRUE && value.kind != ES_JSON_FALSE) {
            return ES_ERR_TUF_FIELD;
        }
        root->consistent = value.kind == ES_JSON_TRUE;
    }
    if (!es_tuf_value_member(&document->content, "roles", &roles) ||
        !es_tuf_value_member(&document->content, "keys", &keys) || keys.kind != ES_JSON_OBJECT) {
        return ES_ERR_TUF_FIELD;
    }
    for (role = 0; role < ES_TUF_ROLES; role++) {
        status = es_tuf_value_member(&roles, es_tuf_role_name((es_tuf_role)role), &value)
                     ? read_role(root, (es_tuf_role)role, &value)
                     : ES_ERR_TUF_FIELD;
        if (status != ES_OK) {
            return status;
        }
    }
    es_tuf_walk_start(&walk, &keys);
    while (es_tuf_walk_next(&walk, &key, &value)) {
        const size_t i = find_key(root, &key);

        if (i < root->count) {
            read_key(&root->keys[i], &value);
        }
    }
    return ES_OK;
}

/* Every signature has a key id and a sig, and no key id is there twice. */
static es_status check_signatures(const es_tuf_value *signatures)
{
    es_tuf_walk walk;
    es_tuf_value signature;
    es_tuf_value id;
    es_tuf_value sig;
    size_t count = 0;

    es_tuf_walk_start(&walk, signatures);
    while (es_tuf_walk_next(&walk, NULL, &signature)) {
        es_tuf_walk rest = walk;
        es_tuf_value other;
        es_tuf_value other_id;

        if (count++ == ES_TUF_SIGNATURES) {
            return ES_ERR_TUF_LIMIT;
        }
        if (!es_tuf_value_member(&signature, "keyid", &id) || id.kind != ES_JSON_STRING ||
            !es_tuf_value_member(&signature, "sig", &sig) || sig.kind != ES_JSON_STRING) {
            return ES_ERR_TUF_FIELD;
        }
        while (es_tuf_walk_next(&rest, NULL, &other)) {
            if (es_tuf_value_member(&other, "keyid", &other_id) && other_id.kind == ES_JSON_STRING &&
                es_tuf_string_compare(&id, &other_id) == 0) {
                return ES_ERR_TUF_KEYID;
            }
        }
    }
    return ES_OK;
}

/* DER in hexadecimal digits. */
static bool is_signature(const es_tuf_value *sig, const es_tuf_key *key, const uint8_t digest[ES_SHA256_BYTES])
{
    uint8_t der[72];
    uint8_t raw[ES_P256_SIGNATURE_BYTES];
    size_t size;

    return es_tuf_hex(sig, der, sizeof der, &size) && es_der_signature(der, size, raw) &&
           es_p256_verify(key->point, digest, raw);
}

/* Whether one of the keys that have counted is the same as key `i`. */
static bool has_counted(const es_tuf_root *root, const bool *counted, size_t i)
{
    size_t other;

    for (other = 0; other < root->count; other++) {
        if (counted[other] && memcmp(root->keys[other].point, root->keys[i].point, ES_P256_POINT_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

es_status es_tuf_root_verify(const es_tuf_root *root, es_tuf_role role, const es_tuf_document *document)
{
    bool counted[ES_TUF_KEYS] = {false};
    unsigned count = 0;
    es_tuf_walk walk;
    es_tuf_value signature;
    es_tuf_value field;
    const es_status status = check_signatures(&document->signatures);

    if (status != ES_OK) {
        return status;
    }
    es_tuf_walk_start(&walk, &document->signatures);
    while (count < root->threshold[role] && es_tuf_walk_next(&walk, NULL, &signature)) {
        size_t i;

        (void)es_tuf_value_member(&signature, "keyid", &field);
        i = find_key(root, &field);
        if (i == root->count || (root->keys[i].roles & 1u << role) == 0 || !root->keys[i].usable ||
            has_counted(root, counted, i)) {
            continue;
        }
        (void)es_tuf_value_member(&signature, "sig", &field);
        if (is_signature(&field, &root->keys[i], document->digest)) {
            counted[i] = true;
            count++;
        }
    }
    return count == 0 || count < root->threshold[role] ? ES_ERR_TUF_THRESHOLD : ES_OK;
}

bool es_tuf_root_revokes(const es_tuf_root *before, const es_tuf_root *after, es_tuf_role role)
{
    const unsigned bit = 1u << role;
    size_t i;

    for (i = 0; i < before->count; i++) {
        const es_tuf_key *key = &before->keys[i];
        bool kept = false;
        size_t k;

        if ((key->roles & bit) == 0 || !key->usable) {
            continue;
        }
        for (k = 0; k < after->count && !kept; k++) {
            kept = (after->keys[k].roles & bit) != 0 && after->keys[k].usable &&
                   memcmp(after->keys[k].point, key->point, sizeof key->point) == 0;
        }
        if (!kept) {
            return true;
        }
    }
    return false;
}
