"""The runtime: `POST /endpoints/<name>/invocations`."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

from earshot.local.account import ACCOUNT_ID, REGION
from earshot.local.emulator import Reply
from earshot.local.sagemaker.endpoints import Endpoints
from earshot.local.sagemaker.faults import ValidationError

PATH = re.compile(r"/endpoints/(?P<name>[^/]+)/invocations")
LARGEST_BODY = 6 * 1024 * 1024
_PASSED_ON = ("content-type", "accept", "x-amzn-sagemaker-custom-attributes")


class Runtime:
    """Invocations of the account's endpoints."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def invoke(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """InvokeEndpoint.

        Args:
            path: the request's path, matching `PATH`.
            headers: its headers, names in lower case.
            body: what goes to the container, unread.
        """
        match = PATH.fullmatch(path)
        name = unquote(match["name"]) if match else ""
        if len(body) > LARGEST_BODY:
            return _error(413, "ValidationError", f"Request body is larger than the maximum of {LARGEST_BODY} bytes")
        try:
            server = self._endpoints.server(name, headers.get("x-amzn-sagemaker-target-variant"))
        except ValidationError as error:
            return _error(400, "ValidationError", str(error))
        if server is None:
            return _error(400, "ValidationError", f"Endpoint {name} of account {ACCOUNT_ID} not found.")
        passed = {key: headers[key] for key in _PASSED_ON if key in headers}
        try:
            answer = server.invoke(body, passed)
        except OSError as error:
            return _model_error(name, server.stream, 500, f"the container does not answer: {error}")
        if answer.status != 200:
            return _model_error(name, server.stream, answer.status, answer.body.decode("utf-8", "replace"))
        told = {"content-type": answer.content_type, "x-amzn-invoked-production-variant": server.variant}
        return Reply(200, told, answer.body)


def _error(status: int, code: str, message: str) -> Reply:
    headers = {"content-type": "application/json", "x-amzn-errortype": code}
    return Reply(status, headers, json.dumps({"ErrorCode": code, "Message": message}).encode())


def _model_error(name: str, stream: str, status: int, said: str) -> Reply:
    group = f"/aws/sagemaker/Endpoints/{name}"
    message = (
        f'Received {"server" if status >= 500 else "client"} error ({status}) from primary with message "{said}". '
        f"See the log group {group} in account {ACCOUNT_ID} for more information."
    )
    content = {
        "Message": message,
        "OriginalStatusCode": status,
        "OriginalMessage": said,
        "LogStreamArn": f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{group}:log-stream:{stream}",
    }
    headers = {"content-type": "application/json", "x-amzn-errortype": "ModelError"}
    return Reply(424, headers, json.dumps(content).encode())
