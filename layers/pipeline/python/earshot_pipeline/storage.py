"""Objects in S3, as the pipeline reads and writes them. Decides nothing."""

import base64
import binascii
import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

MAX_CLIP_BYTES = 64 * 1024 * 1024
_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_LOST_RACE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_SHA256_BYTES = 32
_PIECE = 1024 * 1024
_MAX_REASON = 1000


class GoneError(LookupError):
    """The object, or this version of it, is no longer there."""


class TooLargeError(ValueError):
    """The object is larger than what may be read whole."""


@dataclass(frozen=True)
class Facts:
    """What S3 knows about an object without reading it.

    Attributes:
        size: bytes.
        sha256: the content, hex; "" when S3 has no checksum over the whole object.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class Stored:
    """An object's content and its ETag.

    Attributes:
        data: the content.
        etag: what to name in a conditional write.
    """

    data: bytes
    etag: str


def _code(fault: ClientError) -> str:
    return str(fault.response.get("Error", {}).get("Code", ""))


def _version(version_id: str) -> dict[str, str]:
    return {"VersionId": version_id} if version_id not in ("", "null") else {}


@dataclass(frozen=True)
class Bucket:
    """One bucket.

    Attributes:
        s3: a boto3 S3 client.
        name: the bucket's name.
    """

    s3: Any
    name: str

    def uri(self, key: str) -> str:
        """The object's `s3://` address."""
        return f"s3://{self.name}/{key}"

    def facts(self, key: str, version_id: str = "") -> Facts:
        """Size and, where S3 keeps a SHA-256 over the whole object, the content's hash.

        Raises:
            GoneError: when there is no such object.
        """
        try:
            answer = self.s3.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED", **_version(version_id))
        except ClientError as fault:
            raise self._gone(fault, key) from fault
        return Facts(answer["ContentLength"], _whole_object_sha256(answer))

    def read_head(self, key: str, count: int, version_id: str = "") -> bytes:
        """The object's first `count` bytes, or all if it is shorter. Not for empty objects.

        Raises:
            GoneError: when there is no such object.
        """
        return self._get(key, version_id, Range=f"bytes=0-{count - 1}").data

    def read(self, key: str, version_id: str = "", limit: int = MAX_CLIP_BYTES) -> Stored:
        """The whole object.

        Raises:
            GoneError: when there is no such object.
            TooLargeError: when it has more than `limit` bytes.
        """
        return self._get(key, version_id, limit)

    def sha256(self, key: str, version_id: str = "", limit: int = MAX_CLIP_BYTES) -> str:
        """The content's hash by reading it, hex.

        Raises:
            GoneError: when there is no such object.
            TooLargeError: when it has more than `limit` bytes.
        """
        digest = hashlib.sha256()
        try:
            answer = self.s3.get_object(Bucket=self.name, Key=key, **_version(version_id))
        except ClientError as fault:
            raise self._gone(fault, key) from fault
        with contextlib.closing(answer["Body"]) as body:
            if answer["ContentLength"] > limit:
                raise TooLargeError(f"{key}: {answer['ContentLength']} bytes; at most {limit} are read")
            # In pieces: many threads do this at once.
            for piece in body.iter_chunks(_PIECE):
                digest.update(piece)
        return digest.hexdigest()

    def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""
        try:
            self.facts(key)
        except GoneError:
            return False
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """The keys under a prefix, in S3's order."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield item["Key"]

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream", **more: str) -> None:
        """Write an object, replacing what was there."""
        self.s3.put_object(
            Bucket=self.name, Key=key, Body=data, ContentType=content_type, ChecksumAlgorithm="SHA256", **more
        )

    def put_once(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> bytes:
        """Write an object unless there is one; returns what is there afterwards, whoever wrote it."""
        try:
            self.put(key, data, content_type, IfNoneMatch="*")
        except ClientError as fault:
            if _code(fault) not in _LOST_RACE:
                raise
            return self.read(key).data
        return data

    def replace(self, key: str, data: bytes, known: Stored | None, content_type: str, cache_control: str) -> bool:
        """Write an object if it is still the known one (None: absent); returns whether it was written."""
        condition = {"IfNoneMatch": "*"} if known is None else {"IfMatch": known.etag}
        try:
            self.put(key, data, content_type, CacheControl=cache_control, **condition)
        except ClientError as fault:
            if _code(fault) not in _LOST_RACE:
                raise
            return False
        return True

    def copy_to_quarantine(self, key: str, version_id: str, destination: str, reason: str) -> None:
        """Copy a bad clip, with the reason in its metadata.

        Raises:
            GoneError: when there is no such object.
        """
        try:
            self.s3.copy_object(
                Bucket=self.name,
                Key=destination,
                CopySource={"Bucket": self.name, "Key": key, **_version(version_id)},
                MetadataDirective="REPLACE",
                TaggingDirective="REPLACE",
                Metadata={"reason": ascii_reason(reason)},
            )
        except ClientError as fault:
            raise self._gone(fault, key) from fault

    def remove(self, key: str, version_id: str) -> None:
        """Delete one version of an object; deleting it again does nothing."""
        self.s3.delete_object(Bucket=self.name, Key=key, **_version(version_id))

    def _get(self, key: str, version_id: str, limit: int | None = None, **more: str) -> Stored:
        try:
            answer = self.s3.get_object(Bucket=self.name, Key=key, **_version(version_id), **more)
        except ClientError as fault:
            raise self._gone(fault, key) from fault
        with contextlib.closing(answer["Body"]) as body:
            if limit is not None and answer["ContentLength"] > limit:
                raise TooLargeError(f"{key}: {answer['ContentLength']} bytes; at most {limit} are read")
            return Stored(body.read(), answer["ETag"])

    def _gone(self, fault: ClientError, key: str) -> Exception:
        return GoneError(f"{self.uri(key)} is not there") if _code(fault) in _ABSENT else fault


def ascii_reason(reason: str) -> str:
    """A reason as object metadata can carry it: one line of printable ASCII, at most 1 KB."""
    line = " ".join(reason.split())
    return line.encode("ascii", "backslashreplace").decode()[:_MAX_REASON]


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` address."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def parse_json(data: bytes, name: str) -> Any:
    """Read JSON strictly: UTF-8, no NaN or Infinity.

    Raises:
        ValueError: naming the file.
    """
    try:
        return json.loads(data.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as fault:
        raise ValueError(f"{name}: not readable as JSON ({fault})") from fault


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _whole_object_sha256(answer: dict[str, Any]) -> str:
    # A multipart upload's checksum is one of the parts' checksums ("…-3") and says nothing about the content alone.
    checksum = answer.get("ChecksumSHA256", "")
    if not checksum or answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT" or "-" in checksum:
        return ""
    try:
        digest = base64.b64decode(checksum, validate=True)
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == _SHA256_BYTES else ""
