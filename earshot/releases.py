"""Models by version: approve, reject, roll back, download, and what the endpoint serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.exceptions

from earshot import runs
from earshot.errors import EarshotError
from earshot.target import Target


def list_models(target: Target) -> list[dict[str, Any]]:
    """Every version, newest first, with its approval and the figures of its run."""
    sagemaker = target.client("sagemaker")
    by_id = {run["id"]: run for run in runs.list_runs(target)}
    models = []
    for item in reversed(list(runs.query(target, "VERSIONS"))):
        run = by_id.get(item["run"])
        figures = runs.summary(run) if run else {}
        approval = "–"
        if item["package_arn"]:
            package = sagemaker.describe_model_package(ModelPackageName=item["package_arn"])
            approval = package["ModelApprovalStatus"]
        models.append(
            {
                "version": item["version"],
                "state": item["state"],
                "approval": approval,
                "run": item["run"],
                "package": item["package_arn"],
                "origin": run["card"].get("origin", "trained") if run else None,
                "accuracy": figures.get("accuracy", {}).get("int8"),
                "false_alarms_per_hour": runs.false_alarms_per_hour(run) if run else None,
                "model_bytes": figures.get("model_bytes"),
                "frontend": figures.get("frontend"),
            }
        )
    return models


def find(target: Target, version: str) -> dict[str, Any]:
    """One version.

    Raises:
        EarshotError: There is none of this name, or its package is not registered yet.
    """
    for item in runs.query(target, "VERSIONS"):
        if item["version"] == version:
            return item
    raise EarshotError(f"no version {version}: `earshot models` lists them")


def decide(target: Target, version: str, approval: str) -> None:
    """Approve or reject a model that waits for a person.

    Args:
        target: The cloud.
        version: Its version.
        approval: "Approved" or "Rejected".

    Raises:
        EarshotError: It does not wait.
    """
    item = find(target, version)
    if item["state"] != "awaiting_approval":
        raise EarshotError(f"{version} is {item['state']}, it does not wait for approval")
    target.client("sagemaker").update_model_package(
        ModelPackageArn=item["package_arn"],
        ModelApprovalStatus=approval,
        ApprovalDescription=f"{approval} with the command line",
    )


def rollback(target: Target, version: str) -> str:
    """Release an earlier model again under a new, higher version: boards never go to a lower one.

    Returns:
        The new version.

    Raises:
        EarshotError: The version was never released, or the pipeline is busy.
    """
    find(target, version)
    answer = target.client("lambda").invoke(
        FunctionName=target.outputs["RollbackFunction"], Payload=json.dumps({"version": version}).encode()
    )
    result = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise EarshotError(f"{version} cannot be rolled back to: {result.get('errorMessage', result)}")
    new: str = result["version"]
    return new


def download_model(target: Target, version: str, path: Path) -> None:
    """Fetch the int8 model of a release.

    Raises:
        EarshotError: It is not published.
    """
    board = target.outputs["Boards"].split(",")[0].strip()
    _download(target, f"{version}/{board}/model.tflite", path)


def download_report(target: Target, version: str, path: Path) -> None:
    """Fetch the report of a release, one HTML file.

    Raises:
        EarshotError: It is not published.
    """
    _download(target, f"{version}/report.html", path)


def _download(target: Target, key: str, path: Path) -> None:
    try:
        target.client("s3").download_file(target.outputs["ReleasesBucket"], key, str(path))
    except botocore.exceptions.ClientError as error:
        raise EarshotError(f"s3://{target.outputs['ReleasesBucket']}/{key}: {error}") from error


def endpoint(target: Target) -> dict[str, Any]:
    """What the endpoint is and serves: {"status", "model_version"}."""
    sagemaker = target.client("sagemaker")
    found = sagemaker.describe_endpoint(EndpointName=target.outputs["EndpointName"])
    config = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container = model.get("PrimaryContainer") or model["Containers"][0]
    return {"status": found["EndpointStatus"], "model_version": container["Environment"]["EARSHOT_VERSION"]}
