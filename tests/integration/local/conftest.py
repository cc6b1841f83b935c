"""A local cloud on a free port, and what tests do with it; reached by plain boto3."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[3]
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.19-cpu-py312"
SERVING_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19-cpu"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass(frozen=True)
class Cloud:
    """A running local cloud."""

    url: str
    directory: Path
    process: subprocess.Popen[bytes]
    image = IMAGE
    serving_image = SERVING_IMAGE

    def client(self, service: str, **settings: Any) -> Any:
        """Give a boto3 client."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, **settings),
        )

    def tool_environment(self) -> dict[str, str]:
        """Give the environment for a tool that reads AWS_… variables."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_PAGER": "",
        }

    def role(self, name: str = "jobs", trust: dict[str, Any] | None = None) -> str:
        """Make a role that SageMaker may assume (or another); answers with its ARN."""
        iam = self.client("iam")
        try:
            made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust or TRUST))
        except iam.exceptions.EntityAlreadyExistsException:
            made = iam.get_role(RoleName=name)
        arn: str = made["Role"]["Arn"]
        return arn

    @staticmethod
    def wait(condition: Callable[[], Any], seconds: float = 30.0, every: float = 0.1) -> Any:
        """Wait until a condition holds; answers with what it gave."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s")
            time.sleep(every)

    @staticmethod
    def archive(files: dict[str, str | bytes]) -> bytes:
        """Make a tar.gz of files."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                entry.mode = 0o755
                tar.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()

    @staticmethod
    def members(data: bytes) -> dict[str, bytes]:
        """Read a tar.gz."""
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            return {entry.name: tar.extractfile(entry).read() for entry in tar.getmembers() if entry.isfile()}  # type: ignore[union-attr]


@contextmanager
def start(directory: Path, port: int = 0) -> Iterator[Cloud]:
    """Run a cloud; port 0 takes a free one."""
    if port == 0:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "server.log").open("ab") as log:
        command = [sys.executable, "-m", "earshot.local.server", "--dir", str(directory), "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        Cloud.wait(lambda: healthy(url, process), 60)
        yield Cloud(url, directory, process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)


def healthy(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Say whether it is ready; a process that has ended never will be."""
    if process.poll() is not None:
        raise RuntimeError(f"the local cloud ended with status {process.returncode}")
    try:
        with urllib.request.urlopen(f"{url}/_earshot/health", timeout=5) as answer:
            return bool(json.load(answer)["status"] == "ready")
    except OSError:
        return False


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One cloud for all tests that do not end it; each takes names of its own."""
    with start(tmp_path_factory.mktemp("cloud") / "local") as running:
        yield running


@pytest.fixture
def start_cloud() -> Callable[..., Any]:
    """For tests that need a cloud of their own."""
    return start


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test takes, fit for jobs and buckets."""
    words = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.removeprefix("test_").lower())
    return f"{words.strip('-')[:40].strip('-')}-{os.urandom(3).hex()}"
