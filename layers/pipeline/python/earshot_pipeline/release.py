"""A release: everything that one board needs of one version, and the record of it (`earshot.release/1`)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from earshot_pipeline.bundle import Bundle
from earshot_pipeline.c_array import model_source
from earshot_pipeline.firmware_version import FirmwareVersion
from earshot_pipeline.job_document import OfferedFile
from earshot_pipeline.modustoolbox import modustoolbox_files
from earshot_pipeline.run import Run
from earshot_pipeline.version import Version

SCHEMA = "earshot.release/1"
IMAGE = "model.img"
RECORD = "release.json"
JOB_DOCUMENT = "ota_update.json"
FIRMWARE = "firmware.bin"
FIRMWARE_TAR = "firmware.tar"
FIRMWARE_DOCUMENT = "firmware_update.json"
REPORT = "report.html"
EVALUATION = "evaluation.json"


class BadReleaseError(ValueError):
    """A release cannot be made or read."""


def model_files(bundle: Bundle, version: Version) -> Mapping[str, bytes]:
    """The release's files but for image and record, by path below the release: the same bytes every time."""
    source = model_source(
        bundle.model, bundle.labels, str(version), bundle.card["frontend"], bundle.card["arena_bytes"]
    )
    text = {"model.c": source.source, "model.h": source.header, **modustoolbox_files(bundle, str(version))}
    return {
        "model.tflite": bundle.model,
        "model_float.tflite": bundle.model_float,
        **{path: content.encode() for path, content in text.items()},
    }


def version_files(bundle: Bundle, version: Version) -> Mapping[str, bytes]:
    """What a version has once for all boards, by key in the releases bucket; nothing of an old bundle without them."""
    files = {REPORT: bundle.report, EVALUATION: bundle.evaluation}
    return {f"{version}/{name}": content for name, content in files.items() if content}


def release_record(
    run: Run,
    version: Version,
    board: str,
    bundle: Bundle,
    files: Mapping[str, bytes],
    created: str,
    firmware: FirmwareVersion | None = None,
) -> bytes:
    """`release.json`.

    Args:
        run: the run whose model it is.
        version: its version.
        board: the board it is for.
        bundle: the model bundle.
        files: all other files of the release, the image among them.
        created: when, ISO 8601 in UTC.
        firmware: version of the firmware image among the files; None where there is no such image.
    """
    image = files[IMAGE]
    whole: dict[str, Any] = {}
    if firmware is not None:
        content = files[FIRMWARE]
        whole["firmware"] = {"version": str(firmware), "size": len(content), "sha256": _sha256(content)}
    record = {
        "schema": SCHEMA,
        "version": str(version),
        "board": board,
        "frontend": bundle.card["frontend"],
        "labels": list(bundle.labels),
        "model_bytes": len(bundle.model),
        "arena_bytes": bundle.card["arena_bytes"],
        "sha256": {path: _sha256(content) for path, content in sorted(files.items())},
        "image": {"size": len(image), "sha256": _sha256(image)},
        "about": {key: _sha256(content) for key, content in sorted(version_files(bundle, version).items())},
        "bundle": run.bundle,
        "dataset": bundle.card["dataset"],
        "metrics": bundle.card["metrics"],
        "run": run.id,
        "created": created,
        **whole,
    }
    return json.dumps(record, indent=1, sort_keys=True).encode()


def image_of(record: Mapping[str, Any]) -> OfferedFile:
    """What a release's job document offers.

    Raises:
        BadReleaseError: when the record is not one of a release.
    """
    try:
        version, board, image = Version.parse(record["version"]), record["board"], record["image"]
        return OfferedFile(version, board, f"/{version}/{board}/{IMAGE}", image["size"], image["sha256"])
    except (KeyError, TypeError, ValueError) as fault:
        raise BadReleaseError(f"{RECORD}: not a release's record ({fault})") from fault


def firmware_of(record: Mapping[str, Any]) -> OfferedFile | None:
    """What a release's firmware document offers; None of a release without a firmware image.

    Raises:
        BadReleaseError: when the record is not one of a release.
    """
    if "firmware" not in record:
        return None
    try:
        firmware, board = record["firmware"], record["board"]
        version = FirmwareVersion.parse(firmware["version"])
        path = f"/{record['version']}/{board}/{FIRMWARE}"
        return OfferedFile(version, board, path, firmware["size"], firmware["sha256"])
    except (KeyError, TypeError, ValueError) as fault:
        raise BadReleaseError(f"{RECORD}: not a release's record ({fault})") from fault


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
