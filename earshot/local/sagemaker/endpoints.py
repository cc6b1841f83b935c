"""Endpoints: create, describe, list, update without a gap, delete; and the traffic between two fleets."""

from __future__ import annotations

import copy
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from earshot.local.account import sagemaker_arn
from earshot.local.containers.serving import Server, ServingError
from earshot.local.emulator import ServiceError
from earshot.local.sagemaker import deployment
from earshot.local.sagemaker.endpoint_configs import EndpointConfigs
from earshot.local.sagemaker.events import deployment_detail, endpoint_detail
from earshot.local.sagemaker.faults import ValidationError
from earshot.local.sagemaker.fleet import Fleet
from earshot.local.sagemaker.listing import page, summary
from earshot.local.sagemaker.models import Models
from earshot.local.sagemaker.plane import Plane

EVENT = "SageMaker Endpoint State Change"
DEPLOYMENT_EVENT = "SageMaker Endpoint Deployment State Change"
_BUSY = {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"}
_SUMMARY = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
_ALARM_LOOK_SECONDS = 0.5


@dataclass
class Endpoint:
    """One endpoint.

    Attributes:
        told: its description, without the fleets'.
        fleet: what serves; None until it has served once.
        pending: the fleet that is to take over.
        share: the part of the traffic that the pending fleet gets.
        given_up: set when it is deleted or the cloud ends.
    """

    told: dict[str, Any]
    fleet: Fleet | None = None
    pending: Fleet | None = None
    pending_since: float = 0.0
    share: float = 0.0
    deployment: dict[str, Any] = field(default_factory=dict)
    requests: itertools.count[int] = field(default_factory=itertools.count)
    given_up: threading.Event = field(default_factory=threading.Event)


class Endpoints:
    """The account's endpoints."""

    def __init__(self, plane: Plane, models: Models, configs: EndpointConfigs) -> None:
        self._plane = plane
        self._models = models
        self._configs = configs
        self._endpoints: dict[str, Endpoint] = {}

    # -- operations ---------------------------------------------------------------------------------------------

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateEndpoint."""
        name = request["EndpointName"]
        arn = sagemaker_arn("endpoint", name)
        now = self._plane.now()
        with self._plane.lock:
            if name in self._endpoints:
                raise ValidationError(f'Cannot create already existing endpoint "{arn}".')
            fleet = self._fleet(request["EndpointConfigName"])
            deployment.check(request.get("DeploymentConfig", {}), list(fleet.counts.values()))
            self._plane.tags.create(arn, request.get("Tags"))
            endpoint = Endpoint(
                {
                    "EndpointName": name,
                    "EndpointArn": arn,
                    "EndpointConfigName": request["EndpointConfigName"],
                    "EndpointStatus": "Creating",
                    "CreationTime": now,
                    "LastModifiedTime": now,
                }
            )
            endpoint.deployment = copy.deepcopy(request.get("DeploymentConfig", {}))
            self._endpoints[name] = endpoint
            self._announce(endpoint)
        self._plane.begin(f"create {name}", self._bring_up, endpoint, fleet)
        return {"EndpointArn": arn}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeEndpoint."""
        with self._plane.lock:
            return self._described(self._existing(request["EndpointName"]))

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListEndpoints."""
        with self._plane.lock:
            told = [endpoint.told for endpoint in self._endpoints.values()]
            chosen, more = page(told, request, name="EndpointName", status="EndpointStatus", descending=True)
            return {"Endpoints": [summary(endpoint, _SUMMARY) for endpoint in chosen], **more}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateEndpoint: the old fleet serves until the new one has proved itself."""
        with self._plane.lock:
            endpoint = self._existing(request["EndpointName"])
            arn = endpoint.told["EndpointArn"]
            if endpoint.told["EndpointStatus"] in _BUSY:
                raise ValidationError(f'Cannot update in-progress endpoint "{arn}".')
            fleet = self._fleet(request["EndpointConfigName"])
            if request.get("RetainAllVariantProperties") and endpoint.fleet is not None:
                _retain(endpoint.fleet, fleet, request.get("ExcludeRetainedVariantProperties") or [])
            chosen = request.get("DeploymentConfig")
            if chosen is None:
                chosen = endpoint.deployment if request.get("RetainDeploymentConfig") else {}
            deployment.check(chosen, list(fleet.counts.values()))
            endpoint.deployment = copy.deepcopy(chosen)
            endpoint.pending, endpoint.pending_since, endpoint.share = fleet, self._plane.now(), 0.0
            endpoint.told.pop("FailureReason", None)
            self._enter(endpoint, "Updating")
            self._announce_deployment(endpoint, "Creating")
        self._plane.begin(f"update {request['EndpointName']}", self._replace, endpoint, fleet)
        return {"EndpointArn": arn}

    def update_weights(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateEndpointWeightsAndCapacities."""
        with self._plane.lock:
            endpoint = self._existing(request["EndpointName"])
            arn = endpoint.told["EndpointArn"]
            if endpoint.told["EndpointStatus"] != "InService" or endpoint.fleet is None:
                raise ValidationError(f'Cannot update in-progress endpoint "{arn}".')
            known = endpoint.fleet.weights
            for desired in request["DesiredWeightsAndCapacities"]:
                if desired["VariantName"] not in known:
                    raise ValidationError(f'Could not find variant "{desired["VariantName"]}" of endpoint "{arn}".')
            for desired in request["DesiredWeightsAndCapacities"]:
                name = desired["VariantName"]
                known[name] = desired.get("DesiredWeight", known[name])
                endpoint.fleet.counts[name] = desired.get("DesiredInstanceCount", endpoint.fleet.counts[name])
            self._enter(endpoint, "Updating")
            self._enter(endpoint, "InService")
        return {"EndpointArn": arn}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteEndpoint."""
        name = request["EndpointName"]
        with self._plane.lock:
            endpoint = self._existing(name)
            if endpoint.told["EndpointStatus"] in _BUSY:
                raise ValidationError(f'Cannot update in-progress endpoint "{endpoint.told["EndpointArn"]}".')
            endpoint.given_up.set()
            self._enter(endpoint, "Deleting")
        self._plane.begin(f"delete {name}", self._take_down, endpoint)
        return {}

    def server(self, name: str, variant: str | None) -> Server | None:
        """Choose and reserve the container that answers the next invocation; None where there is no endpoint.

        Raises:
            ValidationError: no such endpoint or variant.
        """
        with self._plane.lock:
            endpoint = self._endpoints.get(name)
            if endpoint is None or endpoint.fleet is None or endpoint.told["EndpointStatus"] == "Deleting":
                return None
            number = next(endpoint.requests)
            fleet = endpoint.fleet
            if endpoint.pending is not None and int((number + 1) * endpoint.share) > int(number * endpoint.share):
                fleet = endpoint.pending
            server = fleet.choose(variant)
            if server is None:
                raise ValidationError(f"Variant {variant} not found for endpoint {name}")
            server.reserve()
            return server

    # -- what happens behind the answers ------------------------------------------------------------------------

    def _bring_up(self, endpoint: Endpoint, fleet: Fleet) -> None:
        try:
            fleet.start(self._plane.workshop, endpoint.told["EndpointName"], endpoint.given_up)
        except Exception as error:
            with self._plane.lock:
                endpoint.told["FailureReason"] = _reason(error)
                self._enter(endpoint, "Failed")
            return
        with self._plane.lock:
            endpoint.fleet = fleet
            self._enter(endpoint, "InService")

    def _replace(self, endpoint: Endpoint, fleet: Fleet) -> None:
        try:
            fleet.start(self._plane.workshop, endpoint.told["EndpointName"], endpoint.given_up)
            self._shift(endpoint, fleet)
        except Exception as error:
            self._roll_back(endpoint, fleet, _reason(error))
            return
        with self._plane.lock:
            old, endpoint.fleet, endpoint.pending = endpoint.fleet, fleet, None
            endpoint.told["EndpointConfigName"] = fleet.config_name
            self._enter(endpoint, "InService")
        if old is not None:
            old.close()

    def _shift(self, endpoint: Endpoint, fleet: Fleet) -> None:
        """Give the new fleet the traffic, step by step, as long as no alarm rings.

        Raises:
            ServingError: an alarm rang.
        """
        names = deployment.alarms(endpoint.deployment)
        size = max((count or 1) for count in fleet.counts.values())
        for step in deployment.steps(endpoint.deployment, size):
            with self._plane.lock:
                endpoint.share = step.share
                if endpoint.deployment:
                    self._announce_deployment(endpoint, "Baking" if step.bake_seconds else "ActivatingTraffic")
            until = time.monotonic() + step.bake_seconds
            while True:
                ringing = self._ringing(names)
                if ringing:
                    raise ServingError(f"One or more alarms went into ALARM state: {', '.join(ringing)}")
                if time.monotonic() >= until or endpoint.given_up.wait(_ALARM_LOOK_SECONDS):
                    break

    def _ringing(self, names: Sequence[str]) -> Sequence[str]:
        return [name for name in names if self._plane.workshop.emulator.alarm_state(name) == "ALARM"]

    def _roll_back(self, endpoint: Endpoint, fleet: Fleet, reason: str) -> None:
        with self._plane.lock:
            endpoint.share = 0.0
            endpoint.told["FailureReason"] = reason
            self._enter(endpoint, "RollingBack")
        fleet.close()
        with self._plane.lock:
            endpoint.pending = None
            self._enter(endpoint, "InService" if endpoint.fleet is not None else "Failed")

    def _take_down(self, endpoint: Endpoint) -> None:
        if endpoint.fleet is not None:
            endpoint.fleet.close()
        with self._plane.lock:
            self._endpoints.pop(endpoint.told["EndpointName"], None)
            self._plane.tags.forget(endpoint.told["EndpointArn"])

    # -- bookkeeping, under the lock ----------------------------------------------------------------------------

    def _fleet(self, config_name: str) -> Fleet:
        config = self._configs.existing(config_name)
        models = {
            variant["VariantName"]: self._models.existing(variant["ModelName"])["PrimaryContainer"]
            for variant in config["ProductionVariants"]
        }
        return Fleet(config, copy.deepcopy(models))

    def _described(self, endpoint: Endpoint) -> dict[str, Any]:
        told = copy.deepcopy(endpoint.told)
        if endpoint.fleet is not None:
            told["ProductionVariants"] = endpoint.fleet.summaries()
        if endpoint.deployment:
            told["LastDeploymentConfig"] = copy.deepcopy(endpoint.deployment)
        if endpoint.pending is not None:
            told["PendingDeploymentSummary"] = {
                "EndpointConfigName": endpoint.pending.config_name,
                "ProductionVariants": endpoint.pending.summaries(),
                "StartTime": endpoint.pending_since,
            }
        return told

    def _enter(self, endpoint: Endpoint, status: str) -> None:
        endpoint.told.update(EndpointStatus=status, LastModifiedTime=self._plane.now())
        self._announce(endpoint)

    def _announce(self, endpoint: Endpoint) -> None:
        arn = endpoint.told["EndpointArn"]
        detail = endpoint_detail(self._described(endpoint), self._plane.tags.of(arn))
        self._plane.events.send(EVENT, detail, arn)

    def _announce_deployment(self, endpoint: Endpoint, status: str) -> None:
        detail = deployment_detail(self._described(endpoint), status)
        self._plane.events.send(DEPLOYMENT_EVENT, detail, endpoint.told["EndpointArn"])

    def _existing(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            raise ValidationError(f'Could not find endpoint "{sagemaker_arn("endpoint", name)}".')
        return self._endpoints[name]


def _retain(old: Fleet, new: Fleet, excluded: list[dict[str, str]]) -> None:
    """Carry over what was changed since the last deployment: weights and instance counts."""
    left_out = {entry["VariantPropertyType"] for entry in excluded}
    for name in new.weights.keys() & old.weights.keys():
        if "DesiredWeight" not in left_out:
            new.weights[name] = old.weights[name]
        if "DesiredInstanceCount" not in left_out and new.counts[name] is not None and old.counts[name] is not None:
            new.counts[name] = old.counts[name]


def _reason(error: Exception) -> str:
    known = isinstance(error, (ServingError, ServiceError))
    return (str(error) if known else f"InternalServerError: {type(error).__name__}: {error}")[:1024]
