"""Versions `1.0.<n>`: n only grows and is the image's security counter too."""

import re
from dataclasses import dataclass

_FORM = re.compile(r"1\.0\.([1-9][0-9]{0,6})")


class BadVersionError(ValueError):
    """The text is not a version of this project."""


@dataclass(frozen=True, order=True)
class Version:
    """A released model's version.

    Attributes:
        number: n of `1.0.n`, from 1. At most seven digits: Infineon's agent reads versions of up to 15 characters.
    """

    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 9_999_999:
            raise BadVersionError(f"version number {self.number}: 1 to 9999999 are possible")

    def __str__(self) -> str:
        return f"1.0.{self.number}"

    @property
    def dashed(self) -> str:
        """The form that SageMaker takes in names, `1-0-3`."""
        return str(self).replace(".", "-")

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read `1.0.n`.

        Raises:
            BadVersionError: for any other text.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise BadVersionError(f"version {text!r}: expected 1.0.<n>")
        return cls(int(match.group(1)))
