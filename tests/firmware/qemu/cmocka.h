/* The part of cmocka's interface that these tests use, for a program without an
 * operating system: Debian has no cmocka for Arm, and cmocka itself wants
 * signals and a heap. Output and exit status are in its manner: a test that
 * fails is left at once, the others run, and the group answers how many failed.
 *
 * One source file a program: everything here is static. */
#ifndef ES_QEMU_CMOCKA_H
#define ES_QEMU_CMOCKA_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
};

#define cmocka_unit_test(function) {#function, function}

static jmp_buf cm_failure;

static inline _Noreturn void cm_fail(const char *file, int line)
{
    (void)printf("[  ERROR   ] --- %s:%d: error: Failure!\n", file, line);
    longjmp(cm_failure, 1);
}

static inline void cm_true(bool holds, const char *text, const char *file, int line)
{
    if (!holds) {
        (void)printf("[  ERROR   ] --- %s\n", text);
        cm_fail(file, line);
    }
}

static inline void cm_equal(int64_t a, int64_t b, const char *file, int line)
{
    if (a != b) {
        /* Newlib's small printf has no 64-bit integers. */
        (void)printf("[  ERROR   ] --- %ld != %ld\n", (long)a, (long)b);
        cm_fail(file, line);
    }
}

static inline void cm_memory(const void *a, const void *b, size_t size, const char *file, int line)
{
    const uint8_t *p = a;
    const uint8_t *q = b;
    size_t i;

    for (i = 0; i < size; i++) {
        if (p[i] != q[i]) {
            (void)printf("[  ERROR   ] --- difference at offset %lu: 0x%02x 0x%02x\n", (unsigned long)i, p[i], q[i]);
            cm_fail(file, line);
        }
    }
}

#define assert_true(c) cm_true((c) != 0, #c, __FILE__, __LINE__)
#define assert_false(c) cm_true((c) == 0, "not: " #c, __FILE__, __LINE__)
#define assert_null(p) cm_true((p) == NULL, #p " is not NULL", __FILE__, __LINE__)
#define assert_non_null(p) cm_true((p) != NULL, #p " is NULL", __FILE__, __LINE__)
#define assert_int_equal(a, b) cm_equal((int64_t)(a), (int64_t)(b), __FILE__, __LINE__)
#define assert_memory_equal(a, b, size) cm_memory(a, b, size, __FILE__, __LINE__)
#define assert_string_equal(a, b) cm_true(strcmp(a, b) == 0, #a " is not " #b, __FILE__, __LINE__)

static inline int cm_run_group(const char *group, const struct CMUnitTest *tests, size_t count)
{
    /* Not in registers: setjmp would be free to forget them. */
    static volatile size_t failed;
    static volatile size_t i;

    failed = 0;
    (void)printf("[==========] Running %lu test(s).\n", (unsigned long)count);
    for (i = 0; i < count; i++) {
        void *state = NULL;

        (void)printf("[ RUN      ] %s\n", tests[i].name);
        if (setjmp(cm_failure) == 0) {
            tests[i].test_func(&state);
            (void)printf("[       OK ] %s\n", tests[i].name);
        } else {
            failed++;
            (void)printf("[  FAILED  ] %s\n", tests[i].name);
        }
    }
    (void)printf("[==========] %s: %lu test(s) run.\n[  PASSED  ] %lu test(s).\n", group, (unsigned long)count,
                 (unsigned long)(count - failed));
    return (int)failed;
}

/* cmocka's setup and teardown of a group: none of these tests has any. */
#define cmocka_run_group_tests(tests, setup, teardown)                                                                \
    ((void)(setup), (void)(teardown), cm_run_group(#tests, tests, sizeof(tests) / sizeof((tests)[0])))

#endif
