"""Which cloud a command talks to: an AWS account, or the local cloud of this checkout."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import botocore.exceptions
from botocore.config import Config

from earshot import localcloud
from earshot.errors import EarshotError

LOCAL_REGION = "us-east-1"


@dataclass(frozen=True)
class Target:
    """A cloud, a region of it and the stack deployed there.

    Attributes:
        stack: CloudFormation stack name.
        endpoint_url: The local cloud's address, or None on AWS.
        profile: AWS profile, or None for the default credentials.
        region: AWS region, or None for the profile's own.
    """

    stack: str = "earshot"
    endpoint_url: str | None = None
    profile: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        where = self.endpoint_url or f"AWS {self.region or ''} {f'profile {self.profile}' if self.profile else ''}"
        return f"stack {self.stack} on {where.strip()}"

    @property
    def is_local(self) -> bool:
        """Whether this is the local cloud."""
        return self.endpoint_url is not None

    @cached_property
    def _session(self) -> boto3.Session:
        if self.is_local:
            return boto3.Session(
                aws_access_key_id="local",
                aws_secret_access_key="local",  # noqa: S106 - the local cloud takes any
                region_name=self.region or LOCAL_REGION,
            )
        try:
            return boto3.Session(profile_name=self.profile, region_name=self.region)
        except botocore.exceptions.ProfileNotFound as error:
            raise EarshotError(f"{error}; see `aws configure list-profiles`") from error

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud."""
        config = Config(max_pool_connections=32, retries={"mode": "standard", "max_attempts": 5})
        return self._session.client(service, endpoint_url=self.endpoint_url, config=config)

    def resource(self, service: str) -> Any:
        """A boto3 resource of this cloud."""
        return self._session.resource(service, endpoint_url=self.endpoint_url)

    @cached_property
    def _deployed(self) -> dict[str, Any]:
        """The stack as CloudFormation describes it."""
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except botocore.exceptions.ClientError as error:
            message = error.response["Error"]["Message"]
            if "does not exist" in message:
                raise EarshotError(f"there is no {self}: deploy it with `sam deploy` or `make demo`") from error
            raise EarshotError(f"{self}: {message}") from error
        stack: dict[str, Any] = stacks[0]
        return stack

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs (docs/contracts.md, section 1)."""
        return {o["OutputKey"]: o["OutputValue"] for o in self._deployed.get("Outputs", [])}

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The template's parameters as they were deployed."""
        return {p["ParameterKey"]: p["ParameterValue"] for p in self._deployed.get("Parameters", [])}

    @property
    def environment(self) -> dict[str, str]:
        """What a program that speaks to this cloud needs in its environment."""
        variables = dict(os.environ)
        if self.is_local:
            variables.update(
                AWS_ENDPOINT_URL=self.endpoint_url or "",
                AWS_ACCESS_KEY_ID="local",
                AWS_SECRET_ACCESS_KEY="local",  # noqa: S106 - the local cloud takes any
                AWS_DEFAULT_REGION=self.region or LOCAL_REGION,
                AWS_REGION=self.region or LOCAL_REGION,
                SAM_CLI_TELEMETRY="0",
            )
            variables.pop("AWS_PROFILE", None)
        else:
            if self.profile:
                variables["AWS_PROFILE"] = self.profile
            if self.region:
                variables["AWS_REGION"] = variables["AWS_DEFAULT_REGION"] = self.region
        return variables


def choose(stack: str, profile: str | None, region: str | None, where: str) -> Target:
    """Decide which cloud is meant.

    Args:
        stack: Stack name.
        profile: AWS profile, if one was named.
        region: AWS region, if one was named.
        where: "auto", "local" or "aws". Auto is the local cloud where one of this checkout is up and neither a profile
            nor a region was named; AWS otherwise.

    Raises:
        EarshotError: The local cloud was asked for and is down.
    """
    if where == "aws":
        return Target(stack, None, profile, region)
    named = os.environ.get("AWS_ENDPOINT_URL")
    if named and not profile and not region:
        return Target(stack, named, None, os.environ.get("AWS_DEFAULT_REGION", LOCAL_REGION))
    running = localcloud.status()
    if where == "local" and not running:
        raise EarshotError("the local cloud is down: start it with `earshot local up`")
    if running and (where == "local" or not (profile or region)):
        return Target(stack, running.url, None, LOCAL_REGION)
    return Target(stack, None, profile, region)


def dumps(value: Any) -> str:
    """JSON as commands print it for programs."""
    return json.dumps(value, indent=2, sort_keys=False, default=str)
