"""The jobs' sources: an archive in a layer, put into the data bucket under its own hash."""

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources

from earshot_pipeline.storage import Bucket


@dataclass(frozen=True)
class Sources:
    """The archive that jobs run.

    Attributes:
        archive: a tar.gz.
    """

    archive: bytes

    @classmethod
    @functools.cache
    def of_layer(cls) -> "Sources":
        """The archive that was deployed beside this code."""
        return cls(resources.files("earshot_jobs").joinpath("sourcedir.tar.gz").read_bytes())

    @property
    def version(self) -> str:
        """The code version: the first 12 hex digits of the archive's sha256."""
        return hashlib.sha256(self.archive).hexdigest()[:12]

    @property
    def key(self) -> str:
        """Where it lies in the data bucket."""
        return f"code/{self.version}/sourcedir.tar.gz"

    def publish(self, data: Bucket) -> str:
        """Put it into the data bucket unless it is there; returns its key."""
        if not data.exists(self.key):
            data.put_once(self.key, self.archive, "application/gzip")
        return self.key
