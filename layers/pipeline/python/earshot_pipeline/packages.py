"""Model packages: how a judged model is registered in SageMaker's registry."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from earshot_pipeline.gates import Verdict
from earshot_pipeline.release import EVALUATION, REPORT
from earshot_pipeline.run import Approval, Run

_MAX_METADATA = 256
_MAX_PROPERTIES = 50
_FOREIGN = re.compile(r"[^A-Za-z0-9 _.:/=+@-]")  # what SageMaker refuses in a property's value
_TYPES = ["audio/wav", "audio/x-wav", "audio/flac", "application/x-npy"]


@dataclass(frozen=True)
class Packages:
    """The model package group.

    Attributes:
        sagemaker: a boto3 SageMaker client.
        group: the group's name.
        image: the serving image.
        releases: name of the releases bucket, where a version's report will be.
    """

    sagemaker: Any
    group: str
    image: str
    releases: str

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
            CustomerMetadataProperties=self._metadata(run, version),
            ClientToken=f"{self.group[:24]}-{run.id}",
        )
        arn: str = answer["ModelPackageArn"]
        return arn

    def approval(self, arn: str) -> tuple[Approval, str]:
        """What somebody decided about a package, and the run whose model it is ("" when it is not ours)."""
        answer = self.sagemaker.describe_model_package(ModelPackageName=arn)
        run = answer.get("CustomerMetadataProperties", {}).get("run", "")
        return Approval(answer["ModelApprovalStatus"]), run

    def _metadata(self, run: Run, version: str) -> dict[str, str]:
        """Properties of the package: what it is, then the figures that its gates measured, as many as fit."""
        links = {name: f"s3://{self.releases}/{version}/{name}" for name in (REPORT, EVALUATION) if run.version}
        values = {
            "run": run.id,
            "version": version,
            "origin": str(run.card.get("origin", "trained")),
            "architecture": str(run.card.get("architecture", "")),
            "frontend": str(run.card.get("frontend", "")),
            "labels": _words(run.card.get("labels", ())),
            "dataset_sha256": run.dataset_sha256,
            "clips": str(run.clips_total),
            "code_version": str(run.card.get("code_version", "")),
            "champion": run.champion,
            **{name.replace(".", "_"): link for name, link in links.items()},
        }
        told = {name: _FOREIGN.sub(" ", value)[:_MAX_METADATA] for name, value in values.items() if value}
        figures = {_property(verdict): f"{verdict.value:g}" for verdict in run.verdicts if verdict.value is not None}
        # Of many words' recalls the lowest are told.
        order = sorted(figures, key=lambda name: (name.startswith("recall_of_"), float(figures[name])))
        fitting = order[: _MAX_PROPERTIES - len(told) - 1]
        if len(fitting) < len(order):
            told["figures_left_out"] = f"{len(order) - len(fitting)}: they are in bundle.json"
        return {**told, **{name: figures[name] for name in fitting}}


def _words(labels: Iterable[object]) -> str:
    """Labels in a property's length; what does not fit is counted."""
    words = list(map(str, labels))
    for count in range(len(words), 0, -1):
        text = " ".join(words[:count]) + (f" and {len(words) - count} more" if count < len(words) else "")
        if len(text) <= _MAX_METADATA:
            return text
    return ""


def _summary(run: Run) -> str:
    if run.reissue_of:
        return f"the model of version {run.reissue_of} again"
    missed = [str(verdict) for verdict in run.verdicts if not verdict.passed]
    return "; ".join(missed) if missed else "all gates passed"


def _property(verdict: Verdict) -> str:
    return verdict.gate.replace(" ", "_")
