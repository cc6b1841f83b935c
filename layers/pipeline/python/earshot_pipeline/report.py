"""A board's report: what may stand in it, and whose signature it must carry."""

import re
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

MAX_BODY = 1024
_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}")


class MalformedReportError(ValueError):
    """The body is not a report."""


class ForgedReportError(ValueError):
    """The report is not from the device that it names."""


class Report(BaseModel):
    """A report; the field names are the message's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: StrictStr = Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")
    board: StrictStr = Field(pattern=r"^[A-Z0-9_]{1,64}$")
    version: StrictStr = Field(pattern=r"^[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,7}$")
    state: StrictStr = Field(pattern=r"^(downloading|verified|trial|confirmed|rejected)$")
    counter: StrictInt = Field(ge=0, lt=2**63)
    detail: StrictStr = Field(default="", max_length=256)


def parse_report(body: bytes) -> Report:
    """Read a report's body.

    Raises:
        MalformedReportError: when it is too large or not of the form.
    """
    if len(body) > MAX_BODY:
        raise MalformedReportError(f"the report has {len(body)} bytes; at most {MAX_BODY} are taken")
    try:
        return Report.model_validate_json(body)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise MalformedReportError(f"the report's {where}: {first['msg']}") from fault


def check_signature(body: bytes, signature: str, device: dict[str, Any] | None, report: Report) -> None:
    """See that the registered device signed these bytes.

    Args:
        body: the body as it came.
        signature: r‖s of ECDSA-P256-SHA256, 128 hex digits.
        device: the device's item; None when it is not registered.
        report: the body, read.

    Raises:
        ForgedReportError: when it did not, or is not known, or is another board.
    """
    if device is None or device.get("board") != report.board:
        raise ForgedReportError(f"device {report.device} on board {report.board} is not registered")
    if not _SIGNATURE.fullmatch(signature):
        raise ForgedReportError("the signature is not 128 hex digits")
    try:
        point = bytes.fromhex(device["public_key"])
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        encoded = utils.encode_dss_signature(int(signature[:64], 16), int(signature[64:], 16))
        key.verify(encoded, body, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError, KeyError) as fault:
        raise ForgedReportError(f"the signature is not device {report.device}'s") from fault
