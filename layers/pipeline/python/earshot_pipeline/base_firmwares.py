"""Base firmwares in the data bucket: `firmware/<board>/<X.Y.Z>/base.json` and `base.bin`."""

import hashlib
from dataclasses import dataclass

from earshot_pipeline.firmware_image import BadFirmwareError, BaseFirmware, base_firmware
from earshot_pipeline.firmware_version import FirmwareVersion
from earshot_pipeline.storage import Bucket, parse_json

FOLDER = "firmware"
_RECORD, _BINARY = "base.json", "base.bin"


@dataclass(frozen=True)
class BaseFirmwares:
    """Finds base firmwares.

    Attributes:
        data: the data bucket.
    """

    data: Bucket

    def newest(self, board: str) -> BaseFirmware | None:
        """The base firmware of the highest version; None for a board without one.

        Raises:
            BadFirmwareError: what is there is none, or not what its record describes.
        """
        prefix = f"{FOLDER}/{board}/"
        # The record is written last: a base without one is not there yet.
        found = [key.split("/")[2] for key in self.data.list(prefix) if key.endswith(f"/{_RECORD}")]
        if not found:
            return None
        newest = prefix + str(max(map(FirmwareVersion.parse, found))) + "/"
        record = parse_json(self.data.read(newest + _RECORD).data, newest + _RECORD)
        binary = self.data.read(newest + _BINARY).data
        base = base_firmware(record, binary)
        if hashlib.sha256(binary).hexdigest() != record.get("sha256"):
            raise BadFirmwareError(f"{newest}{_BINARY}: not the file that {_RECORD} describes; register it again")
        if newest != f"{prefix}{base.version}/" or base.board != board:
            raise BadFirmwareError(f"{newest}{_RECORD}: describes {base.version} of {base.board}")
        return base
