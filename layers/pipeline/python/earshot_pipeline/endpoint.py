"""The SageMaker endpoint and how it comes to serve a version. `decide` is pure; `Endpoint` acts.

The version that an endpoint serves is read from its configuration's name, so nothing needs to be remembered, and
SageMaker's own status is the lock: an endpoint that is being changed is left alone until its next event.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from earshot_pipeline.version import Version

_CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
_VARIANT = "main"


class Step(StrEnum):
    """What to do next for a version that is to be served."""

    CREATE = "create"
    UPDATE = "update"
    WAIT = "wait"
    SERVES = "serves"
    OVERTAKEN = "overtaken"
    ROLLED_BACK = "rolled_back"
    BROKEN = "broken"


@dataclass(frozen=True)
class EndpointState:
    """An endpoint as SageMaker describes it.

    Attributes:
        status: SageMaker's word, such as `InService`; "" when there is no endpoint.
        serves: the version of its configuration; None when that is not one of ours.
        reason: why its last change failed; "" otherwise.
    """

    status: str
    serves: Version | None
    reason: str = ""


def decide(state: EndpointState, wanted: Version, requested: bool) -> Step:
    """What to do so that the endpoint serves a version.

    Args:
        state: the endpoint.
        wanted: the version.
        requested: the endpoint was already asked to serve it.
    """
    if not state.status:
        return Step.CREATE
    if state.status in _CHANGING:
        return Step.WAIT
    if state.status == "InService":
        if state.serves == wanted:
            return Step.SERVES
        if state.serves is not None and state.serves > wanted:
            return Step.OVERTAKEN
        return Step.ROLLED_BACK if requested else Step.UPDATE
    return Step.BROKEN


@dataclass(frozen=True)
class EndpointSettings:
    """How models are served.

    Attributes:
        name: the endpoint's name, the stack's.
        mode: `serverless`, `realtime` or `none`.
        image: the TensorFlow Serving image.
        role: the model container's role.
        instance: instance type of a realtime endpoint.
        instances: how many.
        memory_mb: memory of a serverless endpoint.
        alarm: the alarm that rolls a realtime update back.
    """

    name: str
    mode: str
    image: str
    role: str
    instance: str
    instances: int
    memory_mb: int
    alarm: str


@dataclass(frozen=True)
class Endpoint:
    """The endpoint.

    Attributes:
        sagemaker: a boto3 SageMaker client.
        settings: how models are served.
    """

    sagemaker: Any
    settings: EndpointSettings

    def state(self) -> EndpointState:
        """The endpoint as it is."""
        try:
            answer = self.sagemaker.describe_endpoint(EndpointName=self.settings.name)
        except ClientError as fault:
            if _is_missing(fault):
                return EndpointState("", None)
            raise
        config = answer["EndpointConfigName"]
        prefix = f"{self.settings.name}-"
        number = config.removeprefix(prefix + "1-0-")
        serves = Version(int(number)) if config.startswith(prefix) and number.isdecimal() else None
        return EndpointState(answer["EndpointStatus"], serves, answer.get("FailureReason", ""))

    def ensure_model(self, version: Version, bundle: str) -> None:
        """Make the version's model and endpoint configuration unless they exist."""
        name = self._name(version)
        container = {
            "Image": self.settings.image,
            "ModelDataUrl": bundle,
            "Environment": {"EARSHOT_VERSION": str(version), "SAGEMAKER_TFS_DEFAULT_MODEL_NAME": "earshot"},
        }
        _unless_exists(
            self.sagemaker.create_model,
            ModelName=name,
            PrimaryContainer=container,
            ExecutionRoleArn=self.settings.role,
        )
        _unless_exists(
            self.sagemaker.create_endpoint_config, EndpointConfigName=name, ProductionVariants=[self._variant(name)]
        )

    def create(self, version: Version) -> None:
        """Make the endpoint with this version; nothing if somebody was faster."""
        _unless_exists(
            self.sagemaker.create_endpoint, EndpointName=self.settings.name, EndpointConfigName=self._name(version)
        )

    def update(self, version: Version) -> bool:
        """Ask for the version; False when the endpoint is being changed by somebody else."""
        deployment: dict[str, Any] = {}
        if self.settings.mode == "realtime":
            # Said every time: an update that omits it silently loses canary and rollback.
            deployment = {"DeploymentConfig": _blue_green(self.settings)}
        try:
            self.sagemaker.update_endpoint(
                EndpointName=self.settings.name, EndpointConfigName=self._name(version), **deployment
            )
        except ClientError as fault:
            if fault.response["Error"]["Code"] == "ValidationException" and self.state().status in _CHANGING:
                return False
            raise
        return True

    def remove_endpoint(self) -> None:
        """Delete an endpoint that cannot be updated because its creation failed."""
        _unless_missing(self.sagemaker.delete_endpoint, EndpointName=self.settings.name)

    def remove_version(self, version: Version) -> None:
        """Delete the configuration and model of a version that will not be served."""
        name = self._name(version)
        _unless_missing(self.sagemaker.delete_endpoint_config, EndpointConfigName=name)
        _unless_missing(self.sagemaker.delete_model, ModelName=name)

    def _name(self, version: Version) -> str:
        return f"{self.settings.name}-{version.dashed}"

    def _variant(self, model: str) -> dict[str, Any]:
        variant: dict[str, Any] = {"VariantName": _VARIANT, "ModelName": model}
        if self.settings.mode == "serverless":
            return variant | {"ServerlessConfig": {"MemorySizeInMB": self.settings.memory_mb, "MaxConcurrency": 5}}
        return variant | {
            "InstanceType": self.settings.instance,
            "InitialInstanceCount": self.settings.instances,
            "InitialVariantWeight": 1.0,
        }


def _blue_green(settings: EndpointSettings) -> dict[str, Any]:
    # A canary takes at most half of the fleet, so it needs two instances.
    canary = settings.instances >= 2
    routing: dict[str, Any] = {"Type": "CANARY" if canary else "ALL_AT_ONCE", "WaitIntervalInSeconds": 300}
    if canary:
        routing["CanarySize"] = {"Type": "INSTANCE_COUNT", "Value": 1}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": 120,
            "MaximumExecutionTimeoutInSeconds": 3600,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": settings.alarm}]},
    }


def _is_missing(fault: ClientError) -> bool:
    error = fault.response["Error"]
    return error["Code"] in ("ResourceNotFound", "ResourceNotFoundException") or (
        error["Code"] == "ValidationException" and "could not find" in error.get("Message", "").lower()
    )


def _unless_exists(create: Any, **request: Any) -> None:
    try:
        create(**request)
    except ClientError as fault:
        error = fault.response["Error"]
        # CreateModel and its kin say by a ValidationException that a name is taken.
        if "already exist" not in error.get("Message", "").lower() and error["Code"] != "ResourceInUse":
            raise


def _unless_missing(delete: Any, **request: Any) -> None:
    try:
        delete(**request)
    except ClientError as fault:
        if not _is_missing(fault):
            raise
