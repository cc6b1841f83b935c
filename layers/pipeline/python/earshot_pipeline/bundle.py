"""Read a model bundle, `model.tar.gz` as the training job leaves it. The archive is data, not trusted."""

import io
import math
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from earshot_pipeline.storage import parse_json

SCHEMA = "earshot.bundle/1"
MAX_ARCHIVE_BYTES = 64 * 1024 * 1024
_MAX_MEMBER_BYTES = 32 * 1024 * 1024
_MAX_MEMBERS = 2000
_MAX_UNPACKED_BYTES = 256 * 1024 * 1024
_WANTED = ("bundle.json", "model.tflite", "model_float.tflite", "golden_x.bin", "golden_y.bin")
# Bundles made before there were reports have none.
_OPTIONAL = ("report.html", "evaluation.json")
_NUMBERS = ("model_bytes", "arena_bytes", "golden")


class BadBundleError(ValueError):
    """The archive is not a model bundle; the message names the file in it and the fault."""


@dataclass(frozen=True)
class Bundle:
    """A model bundle's files and card.

    Attributes:
        card: the content of bundle.json.
        model: the int8 model.
        model_float: the float model.
        golden_x: int8 input rows, one behind the other.
        golden_y: the int8 model's outputs for them.
        report: the evaluation for people, HTML; empty in an old bundle.
        evaluation: the same figures for programs, JSON; empty in an old bundle.
    """

    card: Mapping[str, Any]
    model: bytes
    model_float: bytes
    golden_x: bytes
    golden_y: bytes
    report: bytes = b""
    evaluation: bytes = b""

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels in the order of its outputs."""
        return tuple(self.card["labels"])


def read_bundle(archive: bytes) -> Bundle:
    """Read and check a bundle.

    Raises:
        BadBundleError: when it is not one.
    """
    files = _unpack(archive)
    missing = [name for name in _WANTED if name not in files]
    if missing:
        raise BadBundleError(
            f"model.tar.gz: {', '.join(missing)} missing; the training job must write the whole bundle"
        )
    try:
        card = parse_json(files["bundle.json"], "bundle.json")
    except ValueError as fault:
        raise BadBundleError(str(fault)) from fault
    _check_card(card)
    bundle = Bundle(card, *(files[name] for name in _WANTED[1:]), *(files.get(name, b"") for name in _OPTIONAL))
    _check_files(bundle)
    return bundle


def _unpack(archive: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for count, member in enumerate(tar, start=1):
                total += member.size
                if count > _MAX_MEMBERS or total > _MAX_UNPACKED_BYTES:
                    raise BadBundleError("model.tar.gz: far larger unpacked than a model bundle; refused")
                name = member.name.removeprefix("./")
                if name not in (*_WANTED, *_OPTIONAL):
                    continue
                if member.size > _MAX_MEMBER_BYTES:
                    raise BadBundleError(
                        f"model.tar.gz: {name} has {member.size} bytes; at most {_MAX_MEMBER_BYTES} are read"
                    )
                if member.isfile():
                    content = tar.extractfile(member)
                    files[name] = content.read() if content else b""
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as fault:
        if isinstance(fault, BadBundleError):
            raise
        raise BadBundleError(f"model.tar.gz: not a readable archive ({fault})") from fault
    return files


def _check_card(card: object) -> None:
    if not isinstance(card, Mapping) or card.get("schema") != SCHEMA:
        raise BadBundleError(f"bundle.json: its schema is not {SCHEMA}")
    labels = card.get("labels")
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise BadBundleError("bundle.json: labels is not a list of words")
    if card.get("origin") == "imported":
        # Whoever made the model chose the order of its outputs.
        if len(set(labels)) != len(labels) or not {"unknown", "silence"} <= set(labels):
            raise BadBundleError("bundle.json: labels are not different words with unknown and silence among them")
    elif labels[-2:] != ["unknown", "silence"] or len(set(labels)) != len(labels):
        raise BadBundleError("bundle.json: labels are not the keywords followed by unknown and silence")
    if not isinstance(card.get("frontend"), str):
        raise BadBundleError("bundle.json: frontend is not an id")
    for name in _NUMBERS:
        if not isinstance(card.get(name), int) or card[name] < 1:
            raise BadBundleError(f"bundle.json: {name} is not a positive whole number")
    for name in ("dataset", "metrics", "input", "output"):
        if not isinstance(card.get(name), Mapping):
            raise BadBundleError(f"bundle.json: {name} is missing")


def _check_files(bundle: Bundle) -> None:
    if bundle.model[4:8] != b"TFL3" or bundle.model_float[4:8] != b"TFL3":
        raise BadBundleError("model.tar.gz: model.tflite or model_float.tflite is not a TensorFlow Lite model")
    if len(bundle.model) != bundle.card["model_bytes"]:
        raise BadBundleError(
            f"model.tflite: {len(bundle.model)} bytes, but bundle.json says {bundle.card['model_bytes']}"
        )
    rows, shape = bundle.card["golden"], bundle.card["input"].get("shape")
    if not isinstance(shape, list) or not all(isinstance(size, int) and size > 0 for size in shape):
        raise BadBundleError("bundle.json: input.shape is not a list of sizes")
    if len(bundle.golden_x) != rows * math.prod(shape) or len(bundle.golden_y) != rows * len(bundle.labels):
        raise BadBundleError(f"golden_x.bin or golden_y.bin: not {rows} rows as bundle.json says")
