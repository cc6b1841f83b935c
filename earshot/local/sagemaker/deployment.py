"""How traffic goes from an endpoint's old fleet to its new one (deployment guardrails).

The stages of a blue/green update, as a list of steps: how much of the traffic
the new fleet gets, and for how long it is watched before the next step. Real
baking periods last minutes to hours; `LONGEST_BAKE_SECONDS` caps them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from earshot.local.sagemaker.faults import ValidationError

LONGEST_BAKE_SECONDS = 5.0


@dataclass(frozen=True)
class Step:
    """One step of a shift.

    Attributes:
        share: the part of the traffic that the new fleet gets, 0 to 1.
        bake_seconds: how long alarms are watched before the next step.
    """

    share: float
    bake_seconds: float


def check(deployment: dict[str, Any], fleet_sizes: list[int | None]) -> None:
    """Refuse a deployment configuration that SageMaker refuses.

    Args:
        deployment: the `DeploymentConfig`.
        fleet_sizes: instances of each variant, None where it is serverless.

    Raises:
        ValidationError: saying which setting does not go.
    """
    if "RollingUpdatePolicy" in deployment:
        if "BlueGreenUpdatePolicy" in deployment:
            raise ValidationError("Give either BlueGreenUpdatePolicy or RollingUpdatePolicy")
        raise ValidationError("The local cloud updates blue/green: use BlueGreenUpdatePolicy")
    routing = deployment.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration")
    if routing is None:
        return
    kind = routing["Type"]
    if kind != "ALL_AT_ONCE" and None in fleet_sizes:
        raise ValidationError("A serverless endpoint is updated ALL_AT_ONCE only")
    needed = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind)
    if needed is None:
        return
    if needed not in routing:
        raise ValidationError(f"Traffic routing of type {kind} needs {needed}")
    size = routing[needed]
    for fleet in fleet_sizes:
        part = size["Value"] / 100 if size["Type"] == "CAPACITY_PERCENT" else size["Value"] / (fleet or 1)
        if part > 0.5 or (fleet or 0) < 2:
            raise ValidationError(f"{needed} must be at most 50 % of a fleet of at least 2 instances")


def steps(deployment: dict[str, Any], fleet: int) -> list[Step]:
    """Give the steps of a shift; without a policy all traffic moves at once and nothing bakes."""
    routing = deployment.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration")
    if routing is None:
        return [Step(1.0, 0.0)]
    bake = min(float(routing["WaitIntervalInSeconds"]), LONGEST_BAKE_SECONDS)
    size = routing.get("CanarySize") or routing.get("LinearStepSize") or {"Type": "CAPACITY_PERCENT", "Value": 100}
    part = size["Value"] / 100 if size["Type"] == "CAPACITY_PERCENT" else size["Value"] / fleet
    if routing["Type"] == "CANARY":
        return [Step(part, bake), Step(1.0, bake)]
    if routing["Type"] == "LINEAR":
        shares = [part * number for number in range(1, int(1 / part) + 1)]
        return [Step(share, bake) for share in shares if share < 1.0] + [Step(1.0, bake)]
    return [Step(1.0, bake)]


def alarms(deployment: dict[str, Any]) -> list[str]:
    """Give the names of the alarms that roll a deployment back."""
    listed = deployment.get("AutoRollbackConfiguration", {}).get("Alarms") or []
    return [alarm["AlarmName"] for alarm in listed]
