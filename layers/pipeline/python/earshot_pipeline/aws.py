"""One client a service and process. boto3 takes region, credentials and AWS_ENDPOINT_URL from the environment."""

import functools
from typing import Any

import boto3
from botocore.config import Config

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, max_pool_connections=32)


@functools.cache
def client(service: str) -> Any:
    """The process's client of an AWS service; clients are safe to share between threads."""
    return boto3.client(service, config=_CONFIG)
