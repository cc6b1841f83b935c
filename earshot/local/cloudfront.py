"""CloudFront distributions in front of S3, each listening on a port of its own.

CloudFormation's distribution gets the domain name `127.0.0.1:<port>`; there it
answers as CloudFront with an origin access control would: GET and HEAD alone,
entity tags, conditions, single ranges, and 403 for an object that is missing
unless the bucket's policy lets CloudFront list (then 404). It has no cache: an
object is as new as the bucket's.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from hypercorn.asyncio import serve
from hypercorn.config import Config

from earshot.local.emulator import Asgi, Emulator, Reply
from earshot.local.policy import allows_service

_SERVICE = "cloudfront.amazonaws.com"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_ORIGIN_HOST = re.compile(r"(?P<bucket>[a-z0-9.-]+?)\.s3[.-].*")
_PASSED_ON = ("content-type", "cache-control", "content-encoding", "content-disposition", "last-modified", "etag")


@dataclass(frozen=True)
class Response:
    """What a distribution answers."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class Distribution:
    """One distribution: finds the object and answers with it, with part of it, or with why not."""

    def __init__(self, emulator: Emulator, arn: str, config: dict[str, Any]) -> None:
        """Begin.

        Args:
            emulator: where the origin is.
            arn: the distribution's, as bucket policies name it.
            config: `DistributionConfig` of the template.
        """
        self._emulator = emulator
        self._arn = arn
        self.config = config

    async def answer(self, method: str, path: str, headers: dict[str, str]) -> Response:
        """Answer a request.

        Args:
            method: HTTP method.
            path: the path, still percent-encoded, without the query.
            headers: header names in lower case.
        """
        if method not in {"GET", "HEAD"}:
            return _refusal(403, "This distribution is not configured to allow the HTTP request method used.")
        if not self.config.get("Enabled", True):
            return _refusal(403, "The distribution is disabled.")
        found = unquote(path).lstrip("/") or self.config.get("DefaultRootObject", "")
        origin = self._origin(f"/{found}")
        match = _ORIGIN_HOST.fullmatch(origin.get("DomainName", ""))
        if match is None or not found:
            return _refusal(403, "Access Denied")
        bucket = match["bucket"]
        key = f"{origin.get('OriginPath', '').strip('/')}/{found}".lstrip("/")
        if not self._may(bucket, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}"):
            return _refusal(403, "Access Denied")
        stored = await self._emulator.object(bucket, key)
        if stored.status != 200:
            listed = self._may(bucket, "s3:ListBucket", f"arn:aws:s3:::{bucket}")
            return _refusal(404, "The specified key does not exist.") if listed else _refusal(403, "Access Denied")
        return respond(stored, headers)

    def _origin(self, path: str) -> dict[str, Any]:
        wanted = self.config.get("DefaultCacheBehavior", {}).get("TargetOriginId")
        for behaviour in self.config.get("CacheBehaviors") or []:
            pattern = behaviour["PathPattern"]
            if fnmatchcase(path, pattern if pattern.startswith("/") else f"/{pattern}"):
                wanted = behaviour["TargetOriginId"]
                break
        for origin in self.config.get("Origins") or []:
            if origin.get("Id") == wanted:
                return dict(origin)
        return {}

    def _may(self, bucket: str, action: str, resource: str) -> bool:
        return allows_service(self._emulator.bucket_policy(bucket), _SERVICE, action, resource, self._arn)


def respond(stored: Reply, asked: dict[str, str]) -> Response:
    """Answer with an object, as the request's conditions and range ask.

    Args:
        stored: the whole object as S3 gives it.
        asked: the request's headers, names in lower case.
    """
    origin = {name.lower(): value for name, value in stored.headers.items()}
    headers = {name: origin[name] for name in _PASSED_ON if name in origin}
    headers["accept-ranges"] = "bytes"
    etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
    if "if-match" in asked and not _tag_matches(asked["if-match"], etag):
        return Response(412, headers)
    if "if-none-match" in asked:
        if _tag_matches(asked["if-none-match"], etag):
            return Response(304, headers)
    elif _not_modified_since(modified, asked.get("if-modified-since")):
        return Response(304, headers)
    span = asked.get("range")
    if span is None or ("if-range" in asked and asked["if-range"] not in {etag, modified}):
        return Response(200, headers, stored.body)
    return _part(span, headers, stored.body)


def _part(span: str, headers: dict[str, str], body: bytes) -> Response:
    match = _RANGE.fullmatch(span.strip())
    if match is None or match.groups() == ("", ""):
        return Response(200, headers, body)  # several ranges, or no range of bytes: the header is ignored
    size = len(body)
    first, last = match.groups()
    if not first:
        begin, end = max(0, size - int(last)), size - 1
        satisfiable = int(last) > 0 and size > 0
    else:
        begin, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < int(first):
            return Response(200, headers, body)
        satisfiable = begin < size
    if not satisfiable:
        return Response(416, {**headers, "content-range": f"bytes */{size}"})
    return Response(206, {**headers, "content-range": f"bytes {begin}-{end}/{size}"}, body[begin : end + 1])


def _tag_matches(listed: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in listed.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags


def _not_modified_since(modified: str, moment: str | None) -> bool:
    if not moment or not modified:
        return False
    try:
        return parsedate_to_datetime(modified) <= parsedate_to_datetime(moment)
    except (TypeError, ValueError):
        return False


def _refusal(status: int, message: str) -> Response:
    code = {403: "AccessDenied", 404: "NoSuchKey"}[status]
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(status, {"content-type": "application/xml"}, text.encode())


def application(distribution: Distribution) -> Asgi:
    """Give a distribution as an ASGI application."""

    async def asgi(
        scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await _live(receive, send)
            return
        asked = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        response = await distribution.answer(scope["method"], path, asked)
        told = {**response.headers, "date": formatdate(usegmt=True), "via": "1.1 local.cloudfront.net (CloudFront)"}
        if response.status != 304:
            told["content-length"] = str(len(response.body))
        head = [(name.encode(), value.encode("latin-1")) for name, value in told.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": head})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else response.body})

    return asgi


async def _live(receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class Distributions:
    """Every distribution that CloudFormation has made, listening."""

    def __init__(self, emulator: Emulator, loop: asyncio.AbstractEventLoop) -> None:
        """Take over CloudFormation's distributions.

        Args:
            emulator: whose CloudFormation it is.
            loop: where the listeners run.
        """
        self._emulator = emulator
        self._loop = loop
        self._listening: dict[str, tuple[Distribution, asyncio.Event]] = {}
        handlers = emulator.resource_type("AWS::CloudFront::Distribution")
        self._create, self._update, self._delete = handlers["create"], handlers["update"], handlers["delete"]
        handlers["create"], handlers["update"], handlers["delete"] = self.create, self.update, self.delete

    def create(self, logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        """Make a distribution and listen."""
        identifier, attributes = self._create(logical_id, properties, stack)
        listener = socket.create_server(("127.0.0.1", 0))
        domain = f"127.0.0.1:{listener.getsockname()[1]}"
        arn = self._emulator.name_distribution(identifier, domain)
        distribution = Distribution(self._emulator, arn, properties.get("DistributionConfig") or {})
        closing = asyncio.Event()
        self._listening[identifier] = (distribution, closing)
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = 0.5
        config.include_date_header = config.include_server_header = False
        config.errorlog = None
        # hypercorn types its applications more narrowly than ASGI does
        serving = serve(application(distribution), config, shutdown_trigger=closing.wait)  # type: ignore[arg-type]
        asyncio.run_coroutine_threadsafe(serving, self._loop)
        return identifier, {**attributes, "DomainName": domain}

    def update(
        self, identifier: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Change a distribution; its port stays."""
        identifier, attributes = self._update(identifier, old, new, stack, logical_id)
        self._listening[identifier][0].config = new.get("DistributionConfig") or {}
        return identifier, attributes

    def delete(self, identifier: str, properties: dict[str, Any]) -> None:
        """Stop listening and delete."""
        self._delete(identifier, properties)
        known = self._listening.pop(identifier, None)
        if known is not None:
            self._loop.call_soon_threadsafe(known[1].set)

    def close(self) -> None:
        """Stop listening on every port."""
        for _, closing in self._listening.values():
            closing.set()
