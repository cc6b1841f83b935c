"""The firmware image: a board's base firmware with a new model in its model section, signed anew for MCUboot.

For boards that update as a whole, by Infineon's OTA agent: its package is the bare image or a tar whose first member,
`components.json`, lists the rest.
"""

import io
import json
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from earshot_pipeline.firmware_version import FirmwareVersion
from earshot_pipeline.model_image import Signer, signed_image
from earshot_pipeline.version import Version

SCHEMA = "earshot.firmware/1"
_MAGIC = 0x96F3B83D
_HEADER = struct.Struct("<IIHHI")
_HEADER_BYTES = 0x400
_VERSION_OFFSET = 20
_TLV_BOARD = 0x00A0
_ALIGNMENT = 4


class BadFirmwareError(ValueError):
    """No firmware image can be made of this; the message names the fault and the remedy."""


@dataclass(frozen=True)
class BaseFirmware:
    """A board's firmware, made with any model.

    Attributes:
        board: the board.
        version: its version.
        section_offset: where its model section begins, in bytes from the beginning of what the board runs (without
            an image header).
        section_size: bytes of the model section.
        erased: the value of erased flash: 0 of PSoC 6's own, 255 of a QSPI flash.
        payload: what the board runs.
    """

    board: str
    version: FirmwareVersion
    section_offset: int
    section_size: int
    erased: int
    payload: bytes

    def __post_init__(self) -> None:
        end = self.section_offset + self.section_size
        if self.section_offset < 0 or self.section_size < 1 or end > len(self.payload):
            raise BadFirmwareError(
                f"base firmware {self.version} of {self.board}: a section of {self.section_size} bytes at"
                f" {self.section_offset} is not within its {len(self.payload)} bytes; the linker's map has both"
            )
        if self.section_offset % _ALIGNMENT:
            raise BadFirmwareError(
                f"base firmware {self.version} of {self.board}: a model at {self.section_offset} is not aligned to"
                f" {_ALIGNMENT} bytes; align its section in the linker script"
            )
        if self.erased not in (0, 0xFF):
            raise BadFirmwareError(f"erased flash of value {self.erased}: 0 and 255 are known")


def payload_of(file: bytes) -> bytes:
    """What a board runs, of a plain binary or of a MCUboot image.

    Raises:
        BadFirmwareError: the image ends too early.
    """
    if len(file) < _HEADER.size or _HEADER.unpack_from(file)[0] != _MAGIC:
        return file
    _, _, header, _, size = _HEADER.unpack_from(file)
    if len(file) < header + size:
        raise BadFirmwareError(f"the image announces {header} + {size} bytes and has {len(file)}; send the whole file")
    return file[header : header + size]


def base_firmware(record: Mapping[str, Any], payload: bytes) -> BaseFirmware:
    """A base firmware as its record (`earshot.firmware/1`) describes it.

    Raises:
        BadFirmwareError: the record is none.
    """
    try:
        if record["schema"] != SCHEMA:
            raise BadFirmwareError(f"base firmware: schema {record['schema']!r} is not {SCHEMA}")
        return BaseFirmware(
            str(record["board"]), FirmwareVersion.parse(record["version"]), int(record["section_offset"]),
            int(record["section_size"]), int(record["erased"]), payload,
        )  # fmt: skip
    except (KeyError, TypeError) as fault:
        raise BadFirmwareError(f"base firmware: not a record of one ({fault})") from fault


def with_model(base: BaseFirmware, model: bytes) -> bytes:
    """What the board runs, with another model.

    Raises:
        BadFirmwareError: the model does not fit.
    """
    if len(model) > base.section_size:
        raise BadFirmwareError(
            f"the model has {len(model)} bytes; the model section of base firmware {base.version} of {base.board} holds"
            f" {base.section_size}: lower MaxModelBytes, or register a base with a larger section"
        )
    end = base.section_offset + base.section_size
    section = model + bytes([base.erased]) * (base.section_size - len(model))
    return base.payload[: base.section_offset] + section + base.payload[end:]


def firmware_image(base: BaseFirmware, model: bytes, version: Version, signer: Signer) -> bytes:
    """Make and verify a signed image of a board's whole firmware.

    Args:
        base: the firmware.
        model: the int8 .tflite.
        version: the model's version; its number is the security counter too.
        signer: who signs; the board's boot loader must know the key.

    Raises:
        BadFirmwareError: the model does not fit.
        SigningFailedError: when imgtool refuses or the signature does not verify.
    """
    options = [
        *("--header-size", hex(_HEADER_BYTES), "--pad-header", "--align", "8", "--slot-size", str(1 << 24)),
        *("--version", str(base.version.with_model(version)), "--security-counter", str(version.number)),
        *("--erased-val", hex(base.erased) if base.erased else "0", "--custom-tlv", f"{_TLV_BOARD:#06x}", base.board),
    ]
    return signed_image(with_model(base, model), options, signer, f"firmware image {version} for {base.board}")


def image_version(image: bytes) -> FirmwareVersion:
    """The version in a MCUboot image's header."""
    return FirmwareVersion(*struct.unpack_from("<BBH", image, _VERSION_OFFSET))


def firmware_tar(image: bytes, version: FirmwareVersion) -> bytes:
    """The image in the tar that Infineon's agent takes; the same bytes for the same image."""
    files = [
        {"fileName": "components.json", "fileType": "component_list"},
        {"fileName": "app.bin", "fileType": "NSPE", "fileSize": str(len(image))},
    ]
    components = {"numberOfComponents": str(len(files)), "version": str(version), "files": files}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in (("components.json", json.dumps(components).encode()), ("app.bin", image)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
