"""How traffic moves between two fleets, and which configurations are refused."""

import pytest

from earshot.local.sagemaker.deployment import LONGEST_BAKE_SECONDS, Step, alarms, check, steps
from earshot.local.sagemaker.faults import ValidationError


def blue_green(kind, wait=3, **size):
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **size}}
    }


def percent(value):
    return {"Type": "CAPACITY_PERCENT", "Value": value}


@pytest.mark.parametrize(
    ("config", "fleet", "shares"),
    [
        ({}, 1, [1.0]),
        (blue_green("ALL_AT_ONCE"), 1, [1.0]),
        (blue_green("CANARY", CanarySize=percent(25)), 4, [0.25, 1.0]),
        (blue_green("CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}), 4, [0.25, 1.0]),
        (blue_green("LINEAR", LinearStepSize=percent(25)), 4, [0.25, 0.5, 0.75, 1.0]),
    ],
)
def test_shares(config, fleet, shares):
    assert [step.share for step in steps(config, fleet)] == shares


def test_baking_is_as_long_as_asked_up_to_a_cap():
    assert steps(blue_green("ALL_AT_ONCE", wait=3), 1) == [Step(1.0, 3.0)]
    assert steps(blue_green("ALL_AT_ONCE", wait=3600), 1) == [Step(1.0, LONGEST_BAKE_SECONDS)]
    assert steps({}, 1) == [Step(1.0, 0.0)]


@pytest.mark.parametrize(
    ("config", "fleet", "said"),
    [
        (blue_green("CANARY", CanarySize=percent(50)), [None], "ALL_AT_ONCE only"),
        (blue_green("CANARY", CanarySize=percent(50)), [1], "at least 2 instances"),
        (blue_green("CANARY", CanarySize=percent(60)), [4], "at most 50 %"),
        (blue_green("LINEAR"), [4], "needs LinearStepSize"),
        ({"RollingUpdatePolicy": {}}, [4], "BlueGreenUpdatePolicy"),
    ],
)
def test_refusals(config, fleet, said):
    with pytest.raises(ValidationError, match=said):
        check(config, fleet)


def test_alarms():
    assert alarms({}) == []
    assert alarms({"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}]}}) == ["a"]
