"""The one AWS account and region that the local cloud is."""

from __future__ import annotations

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"


def sagemaker_arn(kind: str, name: str) -> str:
    """Give the ARN of a SageMaker resource; SageMaker writes names in lower case there.

    Args:
        kind: the resource part's first half, such as `training-job`.
        name: the resource's name, or `group/version` for a model package.
    """
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:{kind}/{name.lower()}"
