"""Models: an image and the archive it serves."""

from __future__ import annotations

import copy
from typing import Any

from earshot.local.account import sagemaker_arn
from earshot.local.sagemaker.faults import ValidationError
from earshot.local.sagemaker.listing import page, summary
from earshot.local.sagemaker.packages import ModelPackages
from earshot.local.sagemaker.plane import Plane


class Models:
    """The account's models."""

    def __init__(self, plane: Plane, packages: ModelPackages) -> None:
        self._plane = plane
        self._packages = packages
        self._models: dict[str, dict[str, Any]] = {}

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateModel."""
        name = request["ModelName"]
        arn = sagemaker_arn("model", name)
        if "ExecutionRoleArn" not in request:
            raise ValidationError("ExecutionRoleArn is needed: the model's container acts under a role")
        container = self._container(request)
        self._plane.check_role(request["ExecutionRoleArn"])
        uri = container.get("ModelDataUrl")
        if uri is not None and not self._plane.workshop.storage.exists(uri):
            raise ValidationError(f"Could not find model data at {uri}.")
        model = {key: copy.deepcopy(value) for key, value in request.items() if key not in {"Tags", "Containers"}}
        model |= {"PrimaryContainer": container, "ModelArn": arn, "CreationTime": self._plane.now()}
        model.setdefault("EnableNetworkIsolation", False)
        with self._plane.lock:
            if name in self._models:
                raise ValidationError(f'Cannot create already existing model "{arn}".')
            self._plane.tags.create(arn, request.get("Tags"))
            self._models[name] = model
        return {"ModelArn": arn}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeModel."""
        with self._plane.lock:
            return copy.deepcopy(self.existing(request["ModelName"]))

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListModels."""
        with self._plane.lock:
            chosen, more = page(self._models.values(), request, name="ModelName", descending=True)
            return {"Models": [summary(model, ("ModelName", "ModelArn", "CreationTime")) for model in chosen], **more}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteModel."""
        with self._plane.lock:
            model = self.existing(request["ModelName"])
            del self._models[request["ModelName"]]
            self._plane.tags.forget(model["ModelArn"])
        return {}

    def existing(self, name: str) -> dict[str, Any]:
        """Give a model; hold the lock.

        Raises:
            ValidationError: there is none by that name.
        """
        if name not in self._models:
            raise ValidationError(f'Could not find model "{sagemaker_arn("model", name)}".')
        return self._models[name]

    def _container(self, request: dict[str, Any]) -> dict[str, Any]:
        several = request.get("Containers") or []
        primary = request.get("PrimaryContainer")
        if (primary is None) == (not several) or len(several) > 1:
            raise ValidationError(
                "Give PrimaryContainer, or Containers with one container: there are no pipelines here"
            )
        container = {"Mode": "SingleModel", **copy.deepcopy(primary or several[0])}
        if container["Mode"] != "SingleModel" or "ModelDataSource" in container:
            raise ValidationError("The local cloud serves one model a container, from ModelDataUrl")
        package = container.get("ModelPackageName")
        if package is not None:
            if "Image" in container or "ModelDataUrl" in container:
                raise ValidationError("A container with ModelPackageName takes neither Image nor ModelDataUrl")
            described = self._packages.serving_container(package)
            environment = {**described.get("Environment", {}), **container.get("Environment", {})}
            container |= {key: described[key] for key in ("Image", "ModelDataUrl") if key in described}
            container["Environment"] = environment
        if "Image" not in container:
            raise ValidationError("The container needs Image or ModelPackageName")
        container.setdefault("Environment", {})
        return container
