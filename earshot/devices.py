"""The devices that a stack knows: whose reports it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
from boto3.dynamodb.conditions import Attr, Key
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from earshot.errors import EarshotError
from earshot.runs import plain
from earshot.target import Target

_IDENTITY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_POINT_BYTES = 65


def public_key(given: str) -> str:
    """A device's public key as the table keeps it.

    Args:
        given: A file in PEM or DER, or hex digits of the DER or of the uncompressed point (04…).

    Returns:
        The uncompressed point, 130 hex digits.

    Raises:
        EarshotError: It is no public key of the curve P-256.
    """
    if _HEX.fullmatch(given) and not Path(given).exists():
        content = bytes.fromhex(given)
    else:
        try:
            content = Path(given).read_bytes()
        except OSError as error:
            raise EarshotError(f"{given}: cannot be read ({error.strerror})") from error
    try:
        if len(content) == _POINT_BYTES:
            key: Any = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), content)
        elif content.lstrip().startswith(b"-----"):
            key = load_pem_public_key(content)
        else:
            key = load_der_public_key(content)
    except ValueError as error:
        raise EarshotError(
            f"{given}: not a public key; PEM, DER or the 130 hex digits that a board prints are taken"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise EarshotError(f"{given}: a key of another kind; devices sign with ECDSA on P-256")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()


def add(target: Target, identity: str, point: str, board: str) -> bool:
    """Make a device known; returns whether it was not before. The same once more changes nothing.

    A device that is removed and added begins counting its reports anew: give it a new key, or its old reports could be
    sent again.

    Raises:
        EarshotError: The name is none, is another device's, or the stack does not release for the board.
    """
    if not _IDENTITY.fullmatch(identity):
        raise EarshotError(f"device {identity!r}: 1 to 64 letters, digits and _ . : - make a name")
    boards = [name.strip() for name in target.outputs["Boards"].split(",")]
    if board not in boards:
        raise EarshotError(f"the stack releases for {', '.join(boards)}, not for {board}: see its parameter Boards")
    table = _table(target)
    item = {**_key(identity), "public_key": point, "board": board, "counter": 0}
    try:
        table.put_item(Item=item, ConditionExpression="attribute_not_exists(pk)")
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        known = table.get_item(Key=_key(identity), ConsistentRead=True).get("Item", {})
        if (known.get("public_key"), known.get("board")) == (point, board):
            return False
        raise EarshotError(
            f"device {identity} is registered with another key or board: choose another name, or"
            f" `earshot devices remove {identity}`"
        ) from error
    return True


def list_devices(target: Target) -> list[dict[str, Any]]:
    """Every device, by name: its board, and what it last reported."""
    names = ("board", "public_key", "version", "state", "detail", "counter", "reported_at")
    found = [
        {"device": item["pk"].removeprefix("DEVICE#"), **{name: item.get(name) for name in names}}
        for item in _scan(target)
    ]
    return sorted(found, key=lambda item: item["device"])


def remove(target: Target, identity: str) -> None:
    """Forget a device: its reports are refused from now on.

    Raises:
        EarshotError: It is not registered.
    """
    table = _table(target)
    items = table.query(KeyConditionExpression=Key("pk").eq(f"DEVICE#{identity}"), ConsistentRead=True)["Items"]
    if not any(item["sk"] == "DEVICE" for item in items):
        raise EarshotError(f"device {identity} is not registered: `earshot devices list` names those that are")
    for item in items:
        table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})


def _scan(target: Target) -> Iterator[dict[str, Any]]:
    more: dict[str, Any] = {}
    while True:
        page = _table(target).scan(FilterExpression=Attr("pk").begins_with("DEVICE#") & Attr("sk").eq("DEVICE"), **more)
        for item in page["Items"]:
            yield plain(item)
        if "LastEvaluatedKey" not in page:
            return
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _table(target: Target) -> Any:
    return target.resource("dynamodb").Table(target.outputs["Table"])


def _key(identity: str) -> dict[str, str]:
    return {"pk": f"DEVICE#{identity}", "sk": "DEVICE"}
