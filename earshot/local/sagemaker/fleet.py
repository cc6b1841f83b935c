"""The containers that serve one endpoint configuration."""

from __future__ import annotations

import copy
import threading
from typing import Any

from earshot.local.containers.serving import DEFAULT_HEALTH_SECONDS, Server, ServingError
from earshot.local.containers.workshop import Workshop


class Fleet:
    """One running container a production variant, and how traffic is shared among them."""

    def __init__(self, config: dict[str, Any], containers: dict[str, dict[str, Any]]) -> None:
        """Prepare it; nothing runs yet.

        Args:
            config: the endpoint configuration as described.
            containers: the model container of each variant, by the variant's name.
        """
        self.config_name: str = config["EndpointConfigName"]
        self.variants: list[dict[str, Any]] = copy.deepcopy(config["ProductionVariants"])
        self.weights = {variant["VariantName"]: variant["InitialVariantWeight"] for variant in self.variants}
        self.counts = {variant["VariantName"]: variant.get("InitialInstanceCount") for variant in self.variants}
        self._containers = containers
        self._servers: dict[str, Server] = {}
        self._credits = dict.fromkeys(self.weights, 0.0)
        self._lock = threading.Lock()

    def start(self, workshop: Workshop, endpoint: str, given_up: threading.Event) -> None:
        """Start every container and wait until all answer /ping.

        Raises:
            ServingError: one does not come up; none of them is left running.
        """
        try:
            for variant in self.variants:
                name = variant["VariantName"]
                self._servers[name] = Server(workshop, endpoint, name, self._containers[name])
            for variant in self.variants:
                seconds = variant.get("ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_HEALTH_SECONDS)
                self._servers[variant["VariantName"]].wait(seconds, given_up)
        except ServingError:
            self.close()
            raise

    def choose(self, wanted: str | None) -> Server | None:
        """Choose the container of the next invocation; None where no variant is called so.

        Traffic is shared exactly by the weights: each variant earns its share
        of every request, and the richest one pays for it.
        """
        if wanted is not None:
            return self._servers.get(wanted)
        with self._lock:
            total = sum(self.weights.values())
            if total <= 0:
                return None
            for name, weight in self.weights.items():
                self._credits[name] += weight / total
            richest = max(self._credits, key=lambda name: self._credits[name])
            self._credits[richest] -= 1.0
        return self._servers.get(richest)

    def summaries(self) -> list[dict[str, Any]]:
        """Give ProductionVariantSummary of every variant."""
        return [self._summary(variant) for variant in self.variants]

    def close(self) -> None:
        """End every container."""
        for server in self._servers.values():
            server.close()
        self._servers = {}

    def _summary(self, variant: dict[str, Any]) -> dict[str, Any]:
        name = variant["VariantName"]
        image = self._containers[name]["Image"]
        told: dict[str, Any] = {
            "VariantName": name,
            "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": image}],
            "CurrentWeight": self.weights[name],
            "DesiredWeight": self.weights[name],
        }
        if "ServerlessConfig" in variant:
            told["CurrentServerlessConfig"] = variant["ServerlessConfig"]
            told["CurrentInstanceCount"] = 0
        else:
            told["CurrentInstanceCount"] = told["DesiredInstanceCount"] = self.counts[name]
        return told
