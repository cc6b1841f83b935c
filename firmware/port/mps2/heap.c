/* Memory for malloc: the machine's second RAM, 16 MB, at whose end semihosting
 * places the stack. newlib's own begins in the first RAM and takes all up to
 * the stack for its own, although there is nothing behind the first 4 MB. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAP_BEGIN = 0x21000000, HEAP_BYTES = 15 * 1024 * 1024 };

void *_sbrk(ptrdiff_t increment);

void *_sbrk(ptrdiff_t increment)
{
    static ptrdiff_t used;
    const ptrdiff_t before = used;

    if (increment > HEAP_BYTES - used || increment < -used) {
        errno = ENOMEM;
        return (void *)(uintptr_t)UINT32_MAX;
    }
    used += increment;
    return (void *)(uintptr_t)(HEAP_BEGIN + before);
}
