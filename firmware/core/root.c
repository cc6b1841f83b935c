#include "root.h"

uint32_t es_rounded_root(uint64_t x)
{
    int lead;
    uint64_t top;
    int32_t n;
    int32_t r;
    uint32_t root;

    if (x == 0) {
        return 0;
    }
    /* An even shift brings x to 2^60 ... 2^62, and its upper word n to 2^28 ... 2^30. */
    lead = (__builtin_clzll(x) - 2) & ~1;
    top = x << lead;
    n = (int32_t)(top >> 32);
    /* The root of n, by a line that is at most 6 % off and two of Newton's steps, each of which squares the relative
     * error and halves it: below 0.04. The second step rounds, so r is within 0.54 of the root. */
    r = (n >> 16) + (n >> 18) + 12190;
    r = (r + n / r) >> 1;
    r = (r + n / r + 1) >> 1;
    /* A third step from 2^16 * r, of which only the remainder is divided: |n - r * r| < 1.1 * 2^15. The root of `top`
     * is within 1.7 of this. */
    root = ((uint32_t)r << 16) + (uint32_t)(((n - r * r) * (1 << 15) + (int32_t)((uint32_t)top >> 17)) / r);
    /* Two bits or more go, as x is below 2^58: this is the rounded root, or 1 less. */
    root >>= lead / 2;
    if ((int64_t)(x - (uint64_t)root * root) > (int64_t)root) {
        root++;
    }
    return root == 0x10000 && (x >> 32) == 0 ? 0xFFFF : root;
}
