"""Tags of SageMaker's resources, by ARN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from earshot.local.sagemaker.faults import ResourceLimitExceeded, ValidationError

MAXIMUM_TAGS = 50


class Tags:
    """The tags of every resource that exists."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, str]] = {}

    def create(self, arn: str, tags: list[dict[str, str]] | None) -> None:
        """Give a new resource its tags.

        Raises:
            ValidationError: a key given twice, or one that AWS keeps for itself.
        """
        self._of[arn] = self._checked(tags or [])

    def forget(self, arn: str) -> None:
        """Drop a deleted resource's tags."""
        self._of.pop(arn, None)

    def of(self, arn: str) -> dict[str, str]:
        """Give a resource's tags as a map."""
        return dict(self._of.get(arn, {}))

    def add(self, request: dict[str, Any]) -> dict[str, Any]:
        """AddTags."""
        held = self._existing(request["ResourceArn"])
        merged = {**held, **self._checked(request["Tags"])}
        if len(merged) > MAXIMUM_TAGS:
            raise ResourceLimitExceeded(f"A resource can have {MAXIMUM_TAGS} tags; this would be {len(merged)}")
        held.update(merged)
        return {"Tags": _pairs(held)}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListTags; there are never more than one page holds."""
        return {"Tags": _pairs(self._existing(request["ResourceArn"]))}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteTags."""
        held = self._existing(request["ResourceArn"])
        for key in request["TagKeys"]:
            held.pop(key, None)
        return {}

    def _existing(self, arn: str) -> dict[str, str]:
        if arn not in self._of:
            raise ValidationError(f"Could not find resource {arn}: there is none to tag by that ARN")
        return self._of[arn]

    def _checked(self, tags: Sequence[dict[str, str]]) -> dict[str, str]:
        checked: dict[str, str] = {}
        for tag in tags:
            key = tag["Key"]
            if key in checked:
                raise ValidationError(
                    f"Duplicate tag keys found. Please note that tag keys are case insensitive: {key}"
                )
            if key.lower().startswith("aws:") and not key.startswith("aws:cloudformation:"):
                raise ValidationError(f"Tag key {key}: keys beginning with aws: are reserved for AWS")
            checked[key] = tag["Value"]
        return checked


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
