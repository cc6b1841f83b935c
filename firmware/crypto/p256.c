/* ECDSA over NIST P-256 (FIPS 186-5), deterministic nonces by RFC 6979.
 *
 * Numbers are eight 32-bit limbs, least significant first, kept in Montgomery
 * form (times 2^256) modulo the field's prime or the group's order. Points are
 * homogeneous projective; the complete addition law for a = -3 of Renes,
 * Costello and Batina (2016, algorithm 4) has no special cases, so infinity and
 * doubling need none either. */
#include <string.h>

#include "crypto.h"

enum { LIMBS = 8, BITS = 256 };

typedef uint32_t number[LIMBS];

typedef struct {
    number m;
    number r2;       /* 2^512 mod m */
    number one;      /* 2^256 mod m */
    uint32_t inverse; /* -1/m mod 2^32 */
} modulus;

typedef struct {
    number x, y, z;
} point;

static const modulus field = {
    {0xffffffff, 0xffffffff, 0xffffffff, 0x00000000, 0x00000000, 0x00000000, 0x00000001, 0xffffffff},
    {0x00000003, 0x00000000, 0xffffffff, 0xfffffffb, 0xfffffffe, 0xffffffff, 0xfffffffd, 0x00000004},
    {0x00000001, 0x00000000, 0x00000000, 0xffffffff, 0xffffffff, 0xffffffff, 0xfffffffe, 0x00000000},
    0x00000001};

static const modulus order = {
    {0xfc632551, 0xf3b9cac2, 0xa7179e84, 0xbce6faad, 0xffffffff, 0xffffffff, 0x00000000, 0xffffffff},
    {0xbe79eea2, 0x83244c95, 0x49bd6fa6, 0x4699799c, 0x2b6bec59, 0x2845b239, 0xf3d95620, 0x66e12d94},
    {0x039cdaaf, 0x0c46353d, 0x58e8617b, 0x43190552, 0x00000000, 0x00000000, 0xffffffff, 0x00000000},
    0xee00bc4f};

static const number curve_b = {0x27d2604b, 0x3bce3c3e, 0xcc53b0f6, 0x651d06b0,
                               0x769886bc, 0xb3ebbd55, 0xaa3a93e7, 0x5ac635d8};
static const number base_x = {0xd898c296, 0xf4a13945, 0x2deb33a0, 0x77037d81,
                              0x63a440f2, 0xf8bce6e5, 0xe12c4247, 0x6b17d1f2};
static const number base_y = {0x37bf51f5, 0xcbb64068, 0x6b315ece, 0x2bce3357,
                              0x7c0f9e16, 0x8ee7eb4a, 0xfe1a7f9b, 0x4fe342e2};

static void load(number out, const uint8_t *bytes)
{
    int i;

    for (i = 0; i < LIMBS; i++) {
        const uint8_t *p = bytes + 4 * (LIMBS - 1 - i);

        out[i] = ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
    }
}

static void store(uint8_t *bytes, const number a)
{
    int i;

    for (i = 0; i < 4 * LIMBS; i++) {
        bytes[4 * LIMBS - 1 - i] = (uint8_t)(a[i / 4] >> (8 * (i % 4)));
    }
}

/* a - b; answers the borrow. */
static uint32_t subtract(number out, const number a, const number b)
{
    uint64_t borrow = 0;
    int i;

    for (i = 0; i < LIMBS; i++) {
        const uint64_t d = (uint64_t)a[i] - b[i] - borrow;

        out[i] = (uint32_t)d;
        borrow = (d >> 32) & 1;
    }
    return (uint32_t)borrow;
}

/* out = mask ? a : b, without a branch. */
static void choose(number out, uint32_t mask, const number a, const number b)
{
    int i;

    for (i = 0; i < LIMBS; i++) {
        out[i] = (a[i] & mask) | (b[i] & ~mask);
    }
}

static bool is_below(const number a, const number b)
{
    number unused;

    return subtract(unused, a, b) != 0;
}

static bool is_zero(const number a)
{
    uint32_t any = 0;
    int i;

    for (i = 0; i < LIMBS; i++) {
        any |= a[i];
    }
    return any == 0;
}

/* Brings carry * 2^256 + a, below 2m, under m. */
static void reduce_once(number out, uint32_t carry, const number a, const modulus *p)
{
    number less;
    const uint32_t borrow = subtract(less, a, p->m);

    choose(out, (uint32_t)0 - (uint32_t)(carry == 0 && borrow != 0), a, less);
}

static void add_mod(number out, const number a, const number b, const modulus *p)
{
    number sum;
    uint64_t carry = 0;
    int i;

    for (i = 0; i < LIMBS; i++) {
        carry += (uint64_t)a[i] + b[i];
        sum[i] = (uint32_t)carry;
        carry >>= 32;
    }
    reduce_once(out, (uint32_t)carry, sum, p);
}

static void subtract_mod(number out, const number a, const number b, const modulus *p)
{
    number difference;
    const uint32_t mask = (uint32_t)0 - subtract(difference, a, b);
    uint64_t carry = 0;
    int i;

    for (i = 0; i < LIMBS; i++) {
        carry += (uint64_t)difference[i] + (p->m[i] & mask);
        out[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* Montgomery product: a * b / 2^256 mod m. */
static void multiply(number out, const number a, const number b, const modulus *p)
{
    uint32_t t[LIMBS + 2] = {0};
    int i;
    int j;

    for (i = 0; i < LIMBS; i++) {
        uint64_t carry = 0;
        uint32_t factor;

        for (j = 0; j < LIMBS; j++) {
            carry += (uint64_t)a[j] * b[i] + t[j];
            t[j] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += t[LIMBS];
        t[LIMBS] = (uint32_t)carry;
        t[LIMBS + 1] = (uint32_t)(carry >> 32);
        factor = t[0] * p->inverse;
        carry = (uint64_t)factor * p->m[0] + t[0];
        carry >>= 32;
        for (j = 1; j < LIMBS; j++) {
            carry += (uint64_t)factor * p->m[j] + t[j];
            t[j - 1] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += t[LIMBS];
        t[LIMBS - 1] = (uint32_t)carry;
        t[LIMBS] = t[LIMBS + 1] + (uint32_t)(carry >> 32);
    }
    reduce_once(out, t[LIMBS], t, p);
}

static void to_montgomery(number out, const number a, const modulus *p)
{
    multiply(out, a, p->r2, p);
}

static void from_montgomery(number out, const number a, const modulus *p)
{
    static const number one = {1};

    multiply(out, a, one, p);
}

/* 1/a = a^(m - 2), by Fermat; the exponent is public. 0 gives 0. */
static void invert(number out, const number a, const modulus *p)
{
    static const number two = {2};
    number exponent;
    number result;
    int bit;

    (void)subtract(exponent, p->m, two);
    memcpy(result, p->one, sizeof result);
    for (bit = BITS - 1; bit >= 0; bit--) {
        multiply(result, result, result, p);
        if ((exponent[bit / 32] >> (bit % 32) & 1) != 0) {
            multiply(result, result, a, p);
        }
    }
    memcpy(out, result, sizeof result);
}

static void add_points(point *out, const point *p, const point *q)
{
    const modulus *f = &field;
    number b;
    number t0, t1, t2, t3, t4, x, y, z;

    to_montgomery(b, curve_b, f);
    multiply(t0, p->x, q->x, f);
    multiply(t1, p->y, q->y, f);
    multiply(t2, p->z, q->z, f);
    add_mod(t3, p->x, p->y, f);
    add_mod(t4, q->x, q->y, f);
    multiply(t3, t3, t4, f);
    add_mod(t4, t0, t1, f);
    subtract_mod(t3, t3, t4, f);
    add_mod(t4, p->y, p->z, f);
    add_mod(x, q->y, q->z, f);
    multiply(t4, t4, x, f);
    add_mod(x, t1, t2, f);
    subtract_mod(t4, t4, x, f);
    add_mod(x, p->x, p->z, f);
    add_mod(y, q->x, q->z, f);
    multiply(x, x, y, f);
    add_mod(y, t0, t2, f);
    subtract_mod(y, x, y, f);
    multiply(z, b, t2, f);
    subtract_mod(x, y, z, f);
    add_mod(z, x, x, f);
    add_mod(x, x, z, f);
    subtract_mod(z, t1, x, f);
    add_mod(x, t1, x, f);
    multiply(y, b, y, f);
    add_mod(t1, t2, t2, f);
    add_mod(t2, t1, t2, f);
    subtract_mod(y, y, t2, f);
    subtract_mod(y, y, t0, f);
    add_mod(t1, y, y, f);
    add_mod(y, t1, y, f);
    add_mod(t1, t0, t0, f);
    add_mod(t0, t1, t0, f);
    subtract_mod(t0, t0, t2, f);
    multiply(t1, t4, y, f);
    multiply(t2, t0, y, f);
    multiply(y, x, z, f);
    add_mod(out->y, y, t2, f);
    multiply(x, t3, x, f);
    subtract_mod(out->x, x, t1, f);
    multiply(z, t4, z, f);
    multiply(t1, t3, t0, f);
    add_mod(out->z, z, t1, f);
}

static void set_infinity(point *p)
{
    memset(p, 0, sizeof *p);
    memcpy(p->y, field.one, sizeof p->y);
}

static void set_base(point *p)
{
    to_montgomery(p->x, base_x, &field);
    to_montgomery(p->y, base_y, &field);
    memcpy(p->z, field.one, sizeof p->z);
}

/* Reads an uncompressed point; false if it is none or not on the curve. */
static bool read_point(point *p, const uint8_t bytes[ES_P256_POINT_BYTES])
{
    number x, y, left, right, three_x;

    load(x, bytes + 1);
    load(y, bytes + 33);
    if (bytes[0] != 4 || !is_below(x, field.m) || !is_below(y, field.m)) {
        return false;
    }
    to_montgomery(p->x, x, &field);
    to_montgomery(p->y, y, &field);
    memcpy(p->z, field.one, sizeof p->z);
    /* y^2 = x^3 - 3x + b */
    multiply(left, p->y, p->y, &field);
    multiply(right, p->x, p->x, &field);
    multiply(right, right, p->x, &field);
    add_mod(three_x, p->x, p->x, &field);
    add_mod(three_x, three_x, p->x, &field);
    subtract_mod(right, right, three_x, &field);
    to_montgomery(x, curve_b, &field);
    add_mod(right, right, x, &field);
    return memcmp(left, right, sizeof left) == 0;
}

/* Affine coordinates, out of Montgomery form; false at infinity. */
static bool to_affine(number x, number y, const point *p)
{
    number inverse;

    if (is_zero(p->z)) {
        return false;
    }
    invert(inverse, p->z, &field);
    multiply(x, p->x, inverse, &field);
    from_montgomery(x, x, &field);
    multiply(y, p->y, inverse, &field);
    from_montgomery(y, y, &field);
    return true;
}

/* scalar * base in time independent of the scalar. */
static void multiply_base(point *out, const number scalar)
{
    point base;
    point sum;
    int bit;

    set_base(&base);
    set_infinity(out);
    for (bit = BITS - 1; bit >= 0; bit--) {
        const uint32_t mask = (uint32_t)0 - (scalar[bit / 32] >> (bit % 32) & 1);

        add_points(out, out, out);
        add_points(&sum, out, &base);
        choose(out->x, mask, sum.x, out->x);
        choose(out->y, mask, sum.y, out->y);
        choose(out->z, mask, sum.z, out->z);
    }
}

/* A scalar of [1, n) from its bytes. */
static bool load_scalar(number out, const uint8_t bytes[32])
{
    load(out, bytes);
    return !is_zero(out) && is_below(out, order.m);
}

/* A digest as a number modulo n; n > 2^255, so one subtraction is enough. */
static void load_digest(number out, const uint8_t digest[32])
{
    number e;

    load(e, digest);
    reduce_once(out, 0, e, &order);
}

bool es_p256_is_point(const uint8_t bytes[ES_P256_POINT_BYTES])
{
    point p;

    return read_point(&p, bytes);
}

bool es_p256_verify(const uint8_t key[ES_P256_POINT_BYTES], const uint8_t digest[ES_SHA256_BYTES],
                    const uint8_t signature[ES_P256_SIGNATURE_BYTES])
{
    number r, s, e, u1, u2, x, y;
    point table[4]; /* infinity, G, Q, G + Q */
    point sum;
    int bit;

    if (!load_scalar(r, signature) || !load_scalar(s, signature + 32) || !read_point(&table[2], key)) {
        return false;
    }
    load_digest(e, digest);
    to_montgomery(s, s, &order);
    invert(s, s, &order);
    multiply(u1, e, s, &order); /* one factor in Montgomery form: the product is not */
    multiply(u2, r, s, &order);
    set_infinity(&table[0]);
    set_base(&table[1]);
    add_points(&table[3], &table[1], &table[2]);
    set_infinity(&sum);
    for (bit = BITS - 1; bit >= 0; bit--) {
        const uint32_t b1 = u1[bit / 32] >> (bit % 32) & 1;
        const uint32_t b2 = u2[bit / 32] >> (bit % 32) & 1;

        add_points(&sum, &sum, &sum);
        add_points(&sum, &sum, &table[b1 + 2 * b2]);
    }
    if (!to_affine(x, y, &sum)) {
        return false;
    }
    reduce_once(x, 0, x, &order);
    return memcmp(x, r, sizeof x) == 0;
}

bool es_p256_public(const uint8_t key[ES_P256_SCALAR_BYTES], uint8_t bytes[ES_P256_POINT_BYTES])
{
    number d, x, y;
    point p;

    if (!load_scalar(d, key)) {
        return false;
    }
    multiply_base(&p, d);
    if (!to_affine(x, y, &p)) {
        return false;
    }
    bytes[0] = 4;
    store(bytes + 1, x);
    store(bytes + 33, y);
    return true;
}

typedef struct {
    es_sha256 inner;
    es_sha256 outer;
} hmac;

static void hmac_start(hmac *h, const uint8_t key[32])
{
    uint8_t pad[64];
    int i;

    for (i = 0; i < 64; i++) {
        pad[i] = (uint8_t)((i < 32 ? key[i] : 0) ^ 0x36);
    }
    es_sha256_start(&h->inner);
    es_sha256_add(&h->inner, pad, sizeof pad);
    for (i = 0; i < 64; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    es_sha256_start(&h->outer);
    es_sha256_add(&h->outer, pad, sizeof pad);
}

static void hmac_end(hmac *h, uint8_t out[32])
{
    uint8_t digest[32];

    es_sha256_end(&h->inner, digest);
    es_sha256_add(&h->outer, digest, sizeof digest);
    es_sha256_end(&h->outer, out);
}

/* RFC 6979, 3.2: k and v are the generator's state. */
static void generator_update(uint8_t k[32], uint8_t v[32], const uint8_t *key, const uint8_t *digest, uint8_t separator)
{
    hmac h;

    hmac_start(&h, k);
    es_sha256_add(&h.inner, v, 32);
    es_sha256_add(&h.inner, &separator, 1);
    if (key != NULL) {
        es_sha256_add(&h.inner, key, 32);
        es_sha256_add(&h.inner, digest, 32);
    }
    hmac_end(&h, k);
    hmac_start(&h, k);
    es_sha256_add(&h.inner, v, 32);
    hmac_end(&h, v);
}

bool es_p256_sign(const uint8_t key[ES_P256_SCALAR_BYTES], const uint8_t digest[ES_SHA256_BYTES],
                  uint8_t signature[ES_P256_SIGNATURE_BYTES])
{
    number d, e, nonce, r, s, y;
    uint8_t reduced[32];
    uint8_t k[32] = {0};
    uint8_t v[32];
    point p;

    if (!load_scalar(d, key)) {
        return false;
    }
    load_digest(e, digest);
    store(reduced, e);
    memset(v, 1, sizeof v);
    generator_update(k, v, key, reduced, 0);
    generator_update(k, v, key, reduced, 1);
    for (;;) {
        hmac h;

        hmac_start(&h, k);
        es_sha256_add(&h.inner, v, 32);
        hmac_end(&h, v);
        if (load_scalar(nonce, v)) {
            multiply_base(&p, nonce);
            (void)to_affine(r, y, &p); /* never infinity: 0 < nonce < n */
            reduce_once(r, 0, r, &order);
            /* s = (e + r d) / nonce */
            to_montgomery(s, d, &order);
            multiply(s, r, s, &order);
            add_mod(s, s, e, &order);
            to_montgomery(nonce, nonce, &order);
            invert(nonce, nonce, &order);
            multiply(s, s, nonce, &order);
            if (!is_zero(r) && !is_zero(s)) {
                store(signature, r);
                store(signature + 32, s);
                return true;
            }
        }
        generator_update(k, v, NULL, NULL, 0);
    }
}
