"""S3 as SageMaker's instances use it: data comes down before a container starts and goes up after it."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from earshot.local.emulator import Emulator, ServiceError

_S3_NAMESPACE = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}


class DataError(Exception):
    """Data that a job asks for is not there or cannot be placed. SageMaker calls it a ClientError."""


@dataclass(frozen=True)
class Source:
    """What one input or channel asks for.

    Attributes:
        uri: `s3://bucket/prefix`, or the manifest's own address.
        kind: `S3Prefix` or `ManifestFile`.
        sharded: whether each host gets its share, not everything.
        gzipped: whether objects are decompressed on the way.
    """

    uri: str
    kind: str = "S3Prefix"
    sharded: bool = False
    gzipped: bool = False


@dataclass(frozen=True)
class Placed:
    """An object and its place below the input's folder."""

    key: str
    relative: str


def parse_uri(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/key` into bucket and key.

    Raises:
        DataError: another scheme, or no bucket.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise DataError(f"{uri}: not an S3 address; write s3://bucket/key")
    return bucket, key


class Storage:
    """The account's S3, from inside."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def read(self, bucket: str, key: str) -> bytes:
        """Give an object's content.

        Raises:
            DataError: there is no such object.
        """
        try:
            return self._emulator.call("s3", "GET", f"/{bucket}/{key}").body
        except ServiceError as error:
            raise DataError(f"Data download failed: s3://{bucket}/{key} cannot be read ({error.status})") from None

    def exists(self, uri: str) -> bool:
        """Say whether an address names an object."""
        bucket, key = parse_uri(uri)
        try:
            self._emulator.call("s3", "HEAD", f"/{bucket}/{key}")
        except ServiceError:
            return False
        return True

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Give every key that begins with a prefix, in order.

        Raises:
            DataError: there is no such bucket.
        """
        found: list[str] = []
        query = {"list-type": ["2"], "prefix": [prefix]}
        while True:
            try:
                reply = self._emulator.call("s3", "GET", f"/{bucket}", query=query)
            except ServiceError as error:
                raise DataError(f"Cannot access S3 bucket {bucket} ({error.status})") from None
            listing = Xml.fromstring(reply.body)  # noqa: S314 - written by this process
            found += [key.text or "" for key in listing.iterfind("s3:Contents/s3:Key", _S3_NAMESPACE)]
            token = listing.findtext("s3:NextContinuationToken", None, _S3_NAMESPACE)
            if not token:
                return found
            query["continuation-token"] = [token]

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Put an object.

        Raises:
            DataError: it cannot be put.
        """
        headers = {"content-length": str(len(content)), "content-type": "application/octet-stream"}
        try:
            self._emulator.call("s3", "PUT", f"/{bucket}/{key}", headers, content)
        except ServiceError as error:
            raise DataError(f"Upload to s3://{bucket}/{key} failed ({error.status}): {error.body[:200]!r}") from None

    def resolve(self, source: Source) -> tuple[str, list[Placed]]:
        """Find the objects of a source and their places.

        Returns:
            The bucket, and the objects in order of key.

        Raises:
            DataError: nothing is there, or a manifest is not one.
        """
        bucket, key = parse_uri(source.uri)
        if source.kind == "ManifestFile":
            return self._manifest(bucket, key)
        keys = [found for found in self.keys(bucket, key) if not found.endswith("/")]
        if not keys:
            raise DataError(f'No S3 objects found under S3 URL "{source.uri}" given in input data source')
        return bucket, [Placed(found, _below_prefix(key, found)) for found in keys]

    def download(self, source: Source, folder: Path, host: int, hosts: int, stop: threading.Event) -> int:
        """Bring a source's objects, or one host's share of them, into a folder.

        Args:
            source: what to bring.
            folder: where to; made if missing.
            host: this host's number, from 0.
            hosts: how many there are.
            stop: set to give up early.

        Returns:
            How many objects came.

        Raises:
            DataError: nothing is there, an object is missing, or a name cannot be a file's.
        """
        folder.mkdir(parents=True, exist_ok=True)
        bucket, objects = self.resolve(source)
        share = objects[host::hosts] if source.sharded else objects
        for placed in share:
            if stop.is_set():
                break
            content = self.read(bucket, placed.key)
            _place(folder, placed, gzip.decompress(content) if source.gzipped else content)
        return len(share)

    def upload(self, folder: Path, uri: str, files: Iterable[Path] | None = None) -> int:
        """Put a folder's files below an address, keeping their relative paths; answers how many.

        Raises:
            DataError: the bucket does not take them.
        """
        bucket, prefix = parse_uri(uri)
        base = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
        chosen = sorted(path for path in folder.rglob("*") if path.is_file()) if files is None else list(files)
        for path in chosen:
            self.write(bucket, f"{base}{path.relative_to(folder).as_posix()}", path.read_bytes())
        return len(chosen)

    def _manifest(self, bucket: str, key: str) -> tuple[str, list[Placed]]:
        where = f"manifest s3://{bucket}/{key}"
        try:
            entries = json.loads(self.read(bucket, key))
        except ValueError:
            raise DataError(f"{where}: not JSON") from None
        if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict):
            raise DataError(f'{where}: must be a list that begins with {{"prefix": "s3://bucket/path/"}}')
        prefix = entries[0].get("prefix")
        names = entries[1:]
        if not isinstance(prefix, str) or not all(isinstance(name, str) and name for name in names):
            raise DataError(f"{where}: needs a prefix and, after it, names relative to it")
        if not names:
            raise DataError(f"{where}: names no object")
        data_bucket, base = parse_uri(prefix)
        return data_bucket, [Placed(base + name, name) for name in sorted(set(names))]


class Mirror:
    """Carries a folder's new and changed files up to S3 while a container runs (checkpoints, continuous outputs)."""

    def __init__(self, storage: Storage, folder: Path, uri: str) -> None:
        self._storage = storage
        self._folder = folder
        self._uri = uri
        self._seen: dict[Path, tuple[int, int]] = self._now()

    def sync(self) -> int:
        """Upload what changed since the last time; answers how many files."""
        now = self._now()
        changed = sorted(path for path, state in now.items() if self._seen.get(path) != state)
        self._storage.upload(self._folder, self._uri, changed)
        self._seen = now
        return len(changed)

    def _now(self) -> dict[Path, tuple[int, int]]:
        states = {}
        for path in self._folder.rglob("*"):
            try:
                if path.is_file():
                    states[path] = (path.stat().st_mtime_ns, path.stat().st_size)
            except FileNotFoundError:  # renamed between the two looks: the next sync sees its new name
                continue
        return states


def _below_prefix(prefix: str, key: str) -> str:
    if key == prefix:
        return PurePosixPath(key).name
    if prefix and not prefix.endswith("/") and key.startswith(f"{prefix}/"):
        return key[len(prefix) + 1 :]
    return key[prefix.rfind("/") + 1 :]


def _place(folder: Path, placed: Placed, content: bytes) -> None:
    parts = PurePosixPath(placed.relative).parts
    if not parts or ".." in parts or placed.relative.startswith("/") or "\0" in placed.relative:
        raise DataError(f"Data download failed: the key {quote(placed.key)} cannot be the name of a file")
    target = folder.joinpath(*parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except OSError as error:
        raise DataError(f"Data download failed: {quote(placed.key)} cannot be placed: {error.strerror}") from None
