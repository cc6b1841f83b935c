"""Put clips into the bucket: in parallel, and again without sending anything twice."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions

from earshot.errors import EarshotError
from earshot.target import Target

SUFFIXES = (".wav", ".flac")
WORKERS = 16


@dataclass(frozen=True)
class Drop:
    """A file and the key it goes to."""

    path: Path
    key: str


@dataclass
class Sent:
    """What `put` did."""

    uploaded: int = 0
    unchanged: int = 0
    bytes: int = 0


def find(directory: Path, label: str | None = None) -> list[Drop]:
    """The clips below a folder, sorted by key.

    Args:
        directory: Holds `<label>/<anything>.wav` or `.flac`; with `label` given, files at any depth.
        label: Label of all of them, where the folder is one word's.

    Raises:
        EarshotError: The folder is missing or holds no clip.
    """
    if not directory.is_dir():
        raise EarshotError(f"{directory}: no such folder; it should hold <label>/<name>.wav or .flac")
    drops = []
    for path in sorted(directory.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file() or path.name.startswith("."):
            continue
        below = path.relative_to(directory).as_posix()
        if label is None and "/" not in below:
            raise EarshotError(f"{path}: lies in no label's folder; put it into {directory}/<label>/ or give --label")
        drops.append(Drop(path, f"clips/{label}/{below}" if label else f"clips/{below}"))
    if not drops:
        raise EarshotError(f"{directory}: holds no .wav or .flac file")
    return drops


def put(target: Target, drops: Iterable[Drop], progress: Callable[[int], None] = lambda count: None) -> Sent:
    """Upload clips that the bucket does not hold yet with the same content.

    Args:
        target: The cloud.
        drops: What to upload.
        progress: Called with 1 after each file.

    Raises:
        EarshotError: A file cannot be read, or the bucket refuses it. Files already sent stay; run it again to go on.
    """
    storage, bucket = target.client("s3"), target.outputs["ClipsBucket"]
    sizes = _sizes(storage, bucket)
    sent = Sent()

    def send(drop: Drop) -> tuple[bool, int]:
        content = drop.path.read_bytes()
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        if any(
            sizes.get(key) == len(content) and _digest(storage, bucket, key) == digest
            for key in (drop.key, f"quarantine/{drop.key}")  # a quarantined clip is not sent again
        ):
            return False, len(content)
        storage.put_object(Bucket=bucket, Key=drop.key, Body=content, ChecksumAlgorithm="SHA256", ChecksumSHA256=digest)
        return True, len(content)

    for drop, result in _in_parallel(send, drops):
        try:
            uploaded, size = result.result()
        except OSError as error:
            raise EarshotError(
                f"{drop.path}: cannot be read ({error.strerror}); mend it and run the same again"
            ) from error
        except botocore.exceptions.ClientError as error:
            raise EarshotError(f"{drop.path}: s3://{bucket}/{drop.key} is refused: {error}") from error
        except botocore.exceptions.BotoCoreError as error:
            raise EarshotError(f"{drop.path}: {error}; run the same again to go on where it stopped") from error
        sent.uploaded += uploaded
        sent.unchanged += not uploaded
        sent.bytes += size if uploaded else 0
        progress(1)
    return sent


def _sizes(storage: Any, bucket: str) -> dict[str, int]:
    """Key → bytes of every clip the bucket holds, quarantined ones included: one request for a thousand."""
    pages = storage.get_paginator("list_objects_v2")
    try:
        return {
            held["Key"]: held["Size"]
            for prefix in ("clips/", "quarantine/clips/")
            for page in pages.paginate(Bucket=bucket, Prefix=prefix)
            for held in page.get("Contents", [])
        }
    except botocore.exceptions.ClientError as error:
        raise EarshotError(f"s3://{bucket} cannot be listed: {error}") from error


def _digest(storage: Any, bucket: str, key: str) -> str | None:
    """Base64 sha256 of an object, where S3 knows it."""
    try:
        head = storage.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except botocore.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404):
            return None
        raise
    digest: str | None = head.get("ChecksumSHA256")
    return digest


def _in_parallel(work: Callable[[Drop], Any], drops: Iterable[Drop]) -> Iterator[tuple[Drop, Future]]:
    """Run `work` over drops with a bounded queue, so that a million files cost no memory."""
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: dict[Future, Drop] = {}
        try:
            for drop in drops:
                waiting[pool.submit(work, drop)] = drop
                if len(waiting) >= 4 * WORKERS:
                    yield from _finished(waiting)
            while waiting:
                yield from _finished(waiting)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _finished(waiting: dict[Future, Drop]) -> Iterator[tuple[Drop, Future]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        yield waiting.pop(future), future
