"""The events that functions are called by, as models: strict in what is used, open for the rest.

Names and times in SageMaker's events are typed loosely and only ever say where to look: what is done depends on what
Describe answers.
"""

from typing import Literal

from aws_lambda_powertools.utilities.parser.models import EventBridgeModel
from pydantic import BaseModel, ConfigDict, Field


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=True)


class BucketDetail(_Open):
    """The bucket of an object event."""

    name: str


class ObjectDetail(_Open):
    """The object of an object event; its key is not URL-encoded here."""

    key: str
    size: int = 0
    version_id: str = Field(default="", alias="version-id")
    sequencer: str = ""


class ObjectCreatedDetail(_Open):
    """Detail of S3's Object Created."""

    bucket: BucketDetail
    object: ObjectDetail


class ObjectCreated(EventBridgeModel):
    """S3's Object Created."""

    source: Literal["aws.s3"]
    detail: ObjectCreatedDetail  # type: ignore[assignment]


class ProcessingJobDetail(_Open):
    """Detail of SageMaker Processing Job State Change."""

    name: str = Field(alias="ProcessingJobName")


class ProcessingJobChange(EventBridgeModel):
    """SageMaker Processing Job State Change."""

    detail_type: Literal["SageMaker Processing Job State Change"] = Field(alias="detail-type")
    detail: ProcessingJobDetail  # type: ignore[assignment]


class TrainingJobDetail(_Open):
    """Detail of SageMaker Training Job State Change."""

    name: str = Field(alias="TrainingJobName")


class TrainingJobChange(EventBridgeModel):
    """SageMaker Training Job State Change."""

    detail_type: Literal["SageMaker Training Job State Change"] = Field(alias="detail-type")
    detail: TrainingJobDetail  # type: ignore[assignment]


class ModelPackageDetail(_Open):
    """Detail of SageMaker Model Package State Change."""

    arn: str = Field(alias="ModelPackageArn")


class ModelPackageChange(EventBridgeModel):
    """SageMaker Model Package State Change."""

    detail_type: Literal["SageMaker Model Package State Change"] = Field(alias="detail-type")
    detail: ModelPackageDetail  # type: ignore[assignment]


class EndpointDetail(_Open):
    """Detail of SageMaker Endpoint State Change. Its status says IN_SERVICE where the API says InService."""

    name: str = Field(alias="EndpointName")


class EndpointChange(EventBridgeModel):
    """SageMaker Endpoint State Change."""

    detail_type: Literal["SageMaker Endpoint State Change", "SageMaker Endpoint Deployment State Change"] = Field(
        alias="detail-type"
    )
    detail: EndpointDetail  # type: ignore[assignment]


class RunEndedDetail(_Open):
    """Detail of our own Earshot Run Ended."""

    stack: str
    run: str
    state: str
    version: str
    reason: str
    clips_new: int
    clips_total: int
    imported: str = ""


class RunEnded(EventBridgeModel):
    """Our own Earshot Run Ended."""

    source: Literal["earshot"]
    detail: RunEndedDetail  # type: ignore[assignment]


class RunRequest(_Open):
    """An event of our own that names a run and nothing else: another function asks for what its state demands."""

    source: Literal["earshot.reconcile", "earshot.import", "earshot.rollout"]
    run: str


class RefreshRequest(BaseModel):
    """The update metadata is to be looked after: `due` renews what expires soon, `all` everything.

    `anew` forgets what cannot be trusted and begins with what job documents offer: after keys were stolen.
    """

    model_config = ConfigDict(extra="forbid")

    refresh: Literal["due", "all", "anew"]


class RolloutRequest(BaseModel):
    """A person, or another function, wants something of a version's rollout.

    `look` has it see what boards reported and do what follows; `plan` chooses the groups of a version that is not
    published yet; `proceed` names the group, counted from 0, that a person is content with.
    """

    model_config = ConfigDict(extra="forbid")

    rollout: str
    want: Literal["look", "plan", "pause", "resume", "proceed", "abort"] = "look"
    groups: str = ""
    group: int = 0
    reason: str = Field(default="aborted by hand", max_length=500)


class RollbackRequest(BaseModel):
    """A person asks for an earlier version's model, for all boards or, with groups, by a rollout."""

    model_config = ConfigDict(extra="forbid")

    version: str
    groups: str = ""


class ImportRequest(BaseModel):
    """A person brought a model along."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sha256: str = Field(alias="import", pattern=r"^[0-9a-f]{64}$")
