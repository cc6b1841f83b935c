"""What ends the demonstration; the last of the tests here, by its name."""

from stage import ours, run


def test_down_leaves_nothing_running(demo):
    # GIVEN the cloud that the demonstration left up, its endpoint among its processes
    assert ours()
    # WHEN it is ended
    run(["make", "demo-down"], demo.environment)
    # THEN no process of it is left, and ending it again is no fault
    assert ours() == {}
    assert "nothing was running" in run(["make", "demo-down"], demo.environment)
