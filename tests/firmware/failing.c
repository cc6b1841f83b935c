/* A suite of which one test fails: its program must say so, or no other suite's success means anything. */
#include "suite.h"

static void holds(void **state)
{
    (void)state;
    assert_int_equal(1 + 1, 2);
}

static void does_not_hold(void **state)
{
    (void)state;
    assert_int_equal(1 + 1, 3);
}

int main(void)
{
    const struct CMUnitTest failing[] = {
        cmocka_unit_test(holds),
        cmocka_unit_test(does_not_hold),
    };

    return cmocka_run_group_tests(failing, NULL, NULL);
}
