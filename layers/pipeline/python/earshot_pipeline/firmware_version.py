"""Versions `X.Y.Z` of a board's whole firmware."""

import re
from dataclasses import dataclass

from earshot_pipeline.version import BadVersionError, Version

_VERSION = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,4})")


@dataclass(frozen=True, order=True)
class FirmwareVersion:
    """A firmware's version `X.Y.Z`, as MCUboot's header and Infineon's agent read it: at most 255, 255 and 65535."""

    major: int
    minor: int
    revision: int

    def __post_init__(self) -> None:
        if max(self.major, self.minor) > 0xFF or self.revision > 0xFFFF:
            raise BadVersionError(f"firmware version {self}: at most 255.255.65535 fits into an image's header")

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.revision}"

    @classmethod
    def parse(cls, text: str) -> "FirmwareVersion":
        """Read `X.Y.Z`.

        Raises:
            BadVersionError: for any other text.
        """
        match = _VERSION.fullmatch(text)
        if match is None:
            raise BadVersionError(f"firmware version {text!r}: three numbers such as 1.4.0 are needed")
        return cls(*map(int, match.groups()))

    def with_model(self, model: Version) -> "FirmwareVersion":
        """The version of this firmware with a model: it grows with the base's and with the model's."""
        return FirmwareVersion(self.major, self.minor, self.revision + model.number)
