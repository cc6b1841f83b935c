"""Model packages: how a judged model is registered in SageMaker's registry."""

import re
from dataclasses import dataclass
from typing import Any

from earshot_pipeline.gates import Verdict
from earshot_pipeline.run import Approval, Run

_MAX_METADATA = 256
_FOREIGN = re.compile(r"[^A-Za-z0-9 _.:/=+@-]")  # what SageMaker refuses in a property's value
_TYPES = ["audio/wav", "audio/x-wav", "audio/flac", "application/x-npy"]


@dataclass(frozen=True)
class Packages:
    """The model package group.

    Attributes:
        sagemaker: a boto3 SageMaker client.
        group: the group's name.
        image: the serving image.
    """

    sagemaker: Any
    group: str
    image: str

    def register(self, run: Run) -> str:
        """Register the run's model, once however often it is asked; returns the package's ARN."""
        version = str(run.version) if run.version else "none"
        answer = self.sagemaker.create_model_package(
            ModelPackageGroupName=self.group,
            ModelPackageDescription=f"Earshot run {run.id}, version {version}: {_summary(run)}"[:1024],
            InferenceSpecification={
                "Containers": [{"Image": self.image, "ModelDataUrl": run.bundle}],
                "SupportedContentTypes": _TYPES,
                "SupportedResponseMIMETypes": ["application/json"],
            },
            ModelApprovalStatus=(run.approval or Approval.REJECTED).value,
            CustomerMetadataProperties=_metadata(run, version),
            ClientToken=f"{self.group[:24]}-{run.id}",
        )
        arn: str = answer["ModelPackageArn"]
        return arn

    def approval(self, arn: str) -> tuple[Approval, str]:
        """What somebody decided about a package, and the run whose model it is ("" when it is not ours)."""
        answer = self.sagemaker.describe_model_package(ModelPackageName=arn)
        run = answer.get("CustomerMetadataProperties", {}).get("run", "")
        return Approval(answer["ModelApprovalStatus"]), run


def _summary(run: Run) -> str:
    if run.reissue_of:
        return f"the model of version {run.reissue_of} again"
    missed = [str(verdict) for verdict in run.verdicts if not verdict.passed]
    return "; ".join(missed) if missed else "all gates passed"


def _metadata(run: Run, version: str) -> dict[str, str]:
    figures = {_property(verdict): f"{verdict.value:g}" for verdict in run.verdicts if verdict.value is not None}
    values = {
        **dict(list(figures.items())[:30]),
        "run": run.id,
        "version": version,
        "architecture": str(run.card.get("architecture", "")),
        "frontend": str(run.card.get("frontend", "")),
        "labels": " ".join(map(str, run.card.get("labels", ()))),
        "dataset_sha256": run.dataset_sha256,
        "clips": str(run.clips_total),
        "code_version": str(run.card.get("code_version", "")),
    }
    return {name: _FOREIGN.sub(" ", value)[:_MAX_METADATA] for name, value in values.items() if value}


def _property(verdict: Verdict) -> str:
    return verdict.gate.replace(" ", "_")
