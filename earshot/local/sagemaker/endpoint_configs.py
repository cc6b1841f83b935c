"""Endpoint configurations: which models an endpoint serves, on what."""

from __future__ import annotations

import copy
from typing import Any

from earshot.local.account import sagemaker_arn
from earshot.local.sagemaker.faults import ValidationError
from earshot.local.sagemaker.listing import page, summary
from earshot.local.sagemaker.models import Models
from earshot.local.sagemaker.plane import Plane

_SUMMARY = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")


class EndpointConfigs:
    """The account's endpoint configurations."""

    def __init__(self, plane: Plane, models: Models) -> None:
        self._plane = plane
        self._models = models
        self._configs: dict[str, dict[str, Any]] = {}

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateEndpointConfig."""
        name = request["EndpointConfigName"]
        arn = sagemaker_arn("endpoint-config", name)
        _check(request)
        config = {key: copy.deepcopy(value) for key, value in request.items() if key != "Tags"}
        for variant in config["ProductionVariants"]:
            variant.setdefault("InitialVariantWeight", 1.0)
        config |= {"EndpointConfigArn": arn, "CreationTime": self._plane.now()}
        with self._plane.lock:
            if name in self._configs:
                raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
            for variant in config["ProductionVariants"]:
                self._models.existing(variant["ModelName"])
            self._plane.tags.create(arn, request.get("Tags"))
            self._configs[name] = config
        return {"EndpointConfigArn": arn}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeEndpointConfig."""
        with self._plane.lock:
            return copy.deepcopy(self.existing(request["EndpointConfigName"]))

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListEndpointConfigs."""
        with self._plane.lock:
            chosen, more = page(self._configs.values(), request, name="EndpointConfigName", descending=True)
            return {"EndpointConfigs": [summary(config, _SUMMARY) for config in chosen], **more}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteEndpointConfig; AWS lets one go even while an endpoint uses it."""
        with self._plane.lock:
            config = self.existing(request["EndpointConfigName"])
            del self._configs[config["EndpointConfigName"]]
            self._plane.tags.forget(config["EndpointConfigArn"])
        return {}

    def existing(self, name: str) -> dict[str, Any]:
        """Give a configuration; hold the lock.

        Raises:
            ValidationError: there is none by that name.
        """
        if name not in self._configs:
            arn = sagemaker_arn("endpoint-config", name)
            raise ValidationError(f'Could not find endpoint configuration "{arn}".')
        return self._configs[name]


def _check(request: dict[str, Any]) -> None:
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) != len(names):
        raise ValidationError(
            f"VariantName must be unique within an endpoint configuration: {', '.join(sorted(names))}"
        )
    if request.get("ShadowProductionVariants") or request.get("AsyncInferenceConfig"):
        raise ValidationError("The local cloud has neither shadow variants nor asynchronous inference")
    for variant in variants:
        where = f"Production variant {variant['VariantName']}"
        serverless = variant.get("ServerlessConfig")
        if "ModelName" not in variant:
            raise ValidationError(f"{where}: needs ModelName; the local cloud has no inference components")
        if serverless is None:
            if "InstanceType" not in variant or variant.get("InitialInstanceCount", 0) < 1:
                raise ValidationError(f"{where}: needs InstanceType and InitialInstanceCount, or ServerlessConfig")
            continue
        if {"InstanceType", "InitialInstanceCount"} & variant.keys():
            raise ValidationError(f"{where}: a serverless variant takes neither InstanceType nor InitialInstanceCount")
        if len(variants) > 1:
            raise ValidationError("A serverless endpoint has one production variant")
        if request.get("DataCaptureConfig", {}).get("EnableCapture") or request.get("VpcConfig"):
            raise ValidationError("A serverless endpoint has neither data capture nor a VPC")
        if serverless["MemorySizeInMB"] % 1024:
            raise ValidationError(f"{where}: MemorySizeInMB must be 1024, 2048, 3072, 4096, 5120 or 6144")
