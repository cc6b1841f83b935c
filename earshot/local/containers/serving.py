"""The container behind an endpoint's variant: started, asked whether it is well, invoked, ended."""

from __future__ import annotations

import http.client
import io
import secrets
import shutil
import socket
import tarfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.local.containers import serving_host
from earshot.local.containers.images import ImageError, Role, role_of
from earshot.local.containers.logs import LogStream, OutputPump
from earshot.local.containers.processes import ContainerProcess
from earshot.local.containers.sandbox import Room, enclosed
from earshot.local.containers.storage import DataError, parse_uri
from earshot.local.containers.workshop import Workshop

PING_SECONDS = 2.0
INVOKE_SECONDS = 60.0
DEFAULT_HEALTH_SECONDS = 600


class ServingError(Exception):
    """A variant that does not come up; worded as an endpoint's FailureReason."""


@dataclass(frozen=True)
class Answer:
    """What a container answered to an invocation."""

    status: int
    content_type: str
    body: bytes


class Server:
    """One running serving container."""

    def __init__(self, workshop: Workshop, endpoint: str, variant: str, container: dict[str, Any]) -> None:
        """Start it; `wait` says when it serves.

        Args:
            workshop: where.
            endpoint: the endpoint's name.
            variant: the variant's name.
            container: the model's `PrimaryContainer`.

        Raises:
            ServingError: no such image, or no readable model archive.
        """
        self.variant = variant
        self._in_flight = 0
        self._idle = threading.Condition()
        instance = f"i-{secrets.token_hex(8)}"
        self._room = Room(workshop.folder / "endpoints" / endpoint / f"{variant}-{instance}")
        self._room.prepare()
        self.stream = f"{variant}/{instance}"
        try:
            if role_of(container["Image"]) is not Role.SERVING:
                raise ServingError(f"The primary container for production variant {variant} is no serving image")
            self._unpack(workshop, container)
        except (ImageError, DataError) as error:
            shutil.rmtree(self._room.root, ignore_errors=True)
            raise ServingError(f"Failed to start production variant {variant}: {error}") from None
        self._port, rest_port = _free_port(), _free_port()
        shutil.copy(Path(serving_host.__file__), self._room.ml / "serving_host.py")
        command, environment = enclosed(
            ["python3", "/opt/ml/serving_host.py", str(self._port), str(rest_port)],
            {
                **workshop.environment(),
                "TF_CPP_MIN_LOG_LEVEL": "2",
                "SAGEMAKER_MULTI_MODEL": "False",
                **container.get("Environment", {}),
            },
            self._room,
            "/opt/ml/model",
            workshop.interpreter.folders(),
        )
        self._process = ContainerProcess(command, environment, str(self._room.root))
        log = LogStream(workshop.emulator, f"/aws/sagemaker/Endpoints/{endpoint}", self.stream)
        self._pump = OutputPump(self._process.output, log)

    def wait(self, seconds: float, given_up: threading.Event) -> None:
        """Wait until it answers /ping.

        Raises:
            ServingError: it has ended, or time is up.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.exit_status() is None and not given_up.is_set():
            if self._healthy():
                return
            time.sleep(0.1)
        raise ServingError(
            f"The primary container for production variant {self.variant} did not pass the ping health check. "
            "Please check CloudWatch logs for this endpoint."
        )

    def reserve(self) -> None:
        """Announce an invocation: until it is done, `close` waits for it."""
        with self._idle:
            self._in_flight += 1

    def invoke(self, body: bytes, headers: dict[str, str]) -> Answer:
        """Pass on an invocation that was reserved.

        Raises:
            OSError: the container does not answer.
        """
        try:
            return self._pass_on(body, headers)
        finally:
            with self._idle:
                self._in_flight -= 1
                self._idle.notify_all()

    def _pass_on(self, body: bytes, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=INVOKE_SECONDS)
        try:
            connection.request("POST", "/invocations", body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheader("Content-Type", ""), answer.read())
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def close(self) -> None:
        """End it, once what it was asked is answered, and drop its folder."""
        with self._idle:
            self._idle.wait_for(lambda: self._in_flight == 0, timeout=INVOKE_SECONDS)
        self._process.kill()
        self._pump.finish()
        self._process.close()
        shutil.rmtree(self._room.root, ignore_errors=True)

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PING_SECONDS)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _unpack(self, workshop: Workshop, container: dict[str, Any]) -> None:
        folder = self._room.ml / "model"
        folder.mkdir()
        uri = container.get("ModelDataUrl")
        if uri is None:
            return
        content = workshop.storage.read(*parse_uri(uri))
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
                archive.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(f"model data {uri} is not a gzipped tar archive: {error}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
