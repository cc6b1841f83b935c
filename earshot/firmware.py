"""Base firmwares: what boards that update as a whole run, with a section for the model."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import botocore.exceptions

from earshot.errors import EarshotError
from earshot.target import Target

SCHEMA = "earshot.firmware/1"
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})")
_MAGIC = (0x96F3B83D).to_bytes(4, "little")
_HEADER_FIELDS = 16
_ALIGNMENT = 4


def payload_of(path: Path) -> bytes:
    """What a board runs, of a plain binary or of a MCUboot image.

    Raises:
        EarshotError: It cannot be read, or ends too early.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EarshotError(f"{path}: cannot be read ({error.strerror})") from error
    if content[:4] != _MAGIC or len(content) < _HEADER_FIELDS:
        return content
    header, size = int.from_bytes(content[8:10], "little"), int.from_bytes(content[12:16], "little")
    if len(content) < header + size:
        raise EarshotError(f"{path}: an image of {header} + {size} bytes that ends after {len(content)}")
    return content[header : header + size]


def register(
    target: Target, path: Path, board: str, version: str, offset: int, size: int, erased: int
) -> dict[str, Any]:
    """Put a board's base firmware into the data bucket: from the next release on, its firmware is made with it.

    Args:
        target: The cloud.
        path: What the board runs, or a MCUboot image of it.
        board: The board.
        version: Its version, higher than the one before.
        offset: Where the model section begins, in bytes from the beginning of what the board runs.
        size: Bytes of the model section.
        erased: Value of erased flash, 0 or 255.

    Returns:
        Its record.

    Raises:
        EarshotError: It is none, or the version is not higher.
    """
    boards = [name.strip() for name in target.outputs["Boards"].split(",")]
    if board not in boards:
        raise EarshotError(f"the stack releases for {', '.join(boards)}, not for {board}: see its parameter Boards")
    numbers = _numbers(version)
    if numbers is None or max(numbers[:2]) > 0xFF or numbers[2] > 0xFFFF:
        raise EarshotError(f"--version {version}: three numbers such as 1.4.0 are needed, at most 255.255.65535")
    if erased not in (0, 0xFF):
        raise EarshotError(f"--erased {erased}: erased flash reads 0 (PSoC 6) or 255 (QSPI flash)")
    payload = payload_of(path)
    if offset < 0 or size < 1 or offset + size > len(payload):
        raise EarshotError(
            f"{path}: a section of {size} bytes at {offset} is not within its {len(payload)} bytes; the linker's map"
            " has both, --section-offset counts from the beginning of what the board runs"
        )
    if offset % _ALIGNMENT:
        raise EarshotError(f"--section-offset {offset}: a model is aligned to {_ALIGNMENT} bytes; align its section")
    s3, bucket = target.client("s3"), target.outputs["DataBucket"]
    known = [found for found in map(_numbers, _versions(s3, bucket, board)) if found]
    if known and max(known) >= numbers:
        newest = ".".join(map(str, max(known)))
        raise EarshotError(f"{board} has base firmware {newest} already: give a higher --version")
    record = {
        "schema": SCHEMA, "board": board, "version": ".".join(map(str, numbers)), "section_offset": offset,
        "section_size": size, "erased": erased, "size": len(payload), "sha256": hashlib.sha256(payload).hexdigest(),
    }  # fmt: skip
    folder = f"firmware/{board}/{record['version']}/"
    # The record comes last and once: a base without one is not there yet.
    s3.put_object(Bucket=bucket, Key=f"{folder}base.bin", Body=payload)
    try:
        s3.put_object(Bucket=bucket, Key=f"{folder}base.json", Body=json.dumps(record).encode(), IfNoneMatch="*")
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        raise EarshotError(f"{board}: somebody registered {version} just now; give a higher --version") from error
    return record


def _versions(s3: Any, bucket: str, board: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"firmware/{board}/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
    return [key.split("/")[2] for key in keys if key.endswith("/base.json")]


def _numbers(version: str) -> tuple[int, ...] | None:
    match = _VERSION.fullmatch(version)
    return tuple(map(int, match.groups())) if match else None
