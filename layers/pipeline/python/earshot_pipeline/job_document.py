"""The job document that boards poll, `ota_update.json`, within the rules of Infineon's OTA agent.

Its parser reads only JSON strings and at most 1023 bytes; File and Server have fewer than 256 characters, Version at
most 15 and three parts. Its HTTP client refuses redirects and loses the last byte of files whose size is 1 modulo 4096.
"""

import json
from dataclasses import dataclass

from earshot_pipeline.firmware_version import FirmwareVersion
from earshot_pipeline.version import BadVersionError, Version

_MAX_DOCUMENT = 1023
_MAX_FIELD = 255
_MAX_VERSION = 15
_CHUNK = 4096


class BadJobDocumentError(ValueError):
    """A board would not take this document; the message says which rule it breaks."""


@dataclass(frozen=True)
class OfferedFile:
    """The file that a job document offers.

    Attributes:
        version: its version; a model's, or a whole firmware's.
        board: the board it is for.
        path: its path on the server, beginning with `/`.
        size: bytes.
        sha256: hex.
    """

    version: Version | FirmwareVersion
    board: str
    path: str
    size: int
    sha256: str


def job_document(file: OfferedFile, domain: str) -> bytes:
    """The document's bytes.

    Args:
        file: what is offered.
        domain: the releases' domain name; with a `:port` it is served by plain HTTP there.

    Raises:
        BadJobDocumentError: when a board would refuse it.
    """
    server, _, port = domain.partition(":")
    fields = {
        "Message": "Update Available",
        "Manufacturer": "Earshot",
        "ManufacturerId": "ESHT",
        "Product": "Earshot",
        "SerialNumber": "0",
        "Board": file.board,
        "Version": str(file.version),
        "Connection": "HTTP" if port else "HTTPS",
        "Server": server,
        "Port": port or "443",
        "File": file.path,
        "Size": str(file.size),
        "Sha256": file.sha256,
    }
    document = json.dumps(fields, separators=(",", ":")).encode()
    _check(fields, document, file)
    return document


def published_version(document: bytes) -> Version | None:
    """The version that a document offers; None when it cannot be read, which protects nothing."""
    try:
        return Version.parse(json.loads(document)["Version"])
    except (ValueError, KeyError, TypeError, BadVersionError):
        return None


def published_firmware(document: bytes) -> FirmwareVersion | None:
    """The firmware's version that a document offers; None when it cannot be read, which protects nothing."""
    try:
        return FirmwareVersion.parse(json.loads(document)["Version"])
    except (ValueError, KeyError, TypeError):
        return None


def _check(fields: dict[str, str], document: bytes, file: OfferedFile) -> None:
    if len(document) > _MAX_DOCUMENT:
        raise BadJobDocumentError(f"the job document has {len(document)} bytes; boards read at most {_MAX_DOCUMENT}")
    for name in ("File", "Server"):
        if not 1 <= len(fields[name]) <= _MAX_FIELD:
            raise BadJobDocumentError(f"{name} has {len(fields[name])} characters; boards read 1 to {_MAX_FIELD}")
    if len(fields["Version"]) > _MAX_VERSION:
        raise BadJobDocumentError(f"Version {fields['Version']} is longer than {_MAX_VERSION} characters")
    if not fields["File"].startswith("/"):
        raise BadJobDocumentError(f"File {fields['File']!r} does not begin with /")
    if not fields["Port"].isdecimal():
        raise BadJobDocumentError(f"Port {fields['Port']!r} is not a number")
    if file.size < 1 or file.size % _CHUNK == 1:
        raise BadJobDocumentError(f"a file of {file.size} bytes would lose its last byte on boards; pad it")
