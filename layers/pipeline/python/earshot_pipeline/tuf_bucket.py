"""Carries out in a bucket what the TUF repository's protocol asks for. Decides nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from earshot_pipeline.storage import Bucket, GoneError
from earshot_pipeline.tuf_repository import (
    METADATA,
    TIMESTAMP,
    Ask,
    Claim,
    Exists,
    File,
    Outcome,
    Protocol,
    Read,
    Replace,
    Wanted,
)

# What is written once is the same for ever; the timestamp, which is polled, is looked up again after a minute.
_ONCE = "public, max-age=31536000, immutable"
_POLLED = "public, max-age=60"
_MAX_METADATA = 1 << 20


@dataclass(frozen=True)
class RepositoryBucket:
    """The bucket that holds a TUF repository."""

    bucket: Bucket

    def carry_out(self, protocol: Protocol, wanted: Callable[[], Wanted] = lambda: Wanted(())) -> Outcome | None:
        """Do what a protocol asks for until it ends; returns what it returns.

        Args:
            protocol: what to carry out.
            wanted: says what is wanted at that moment.
        """
        answer: Any = None
        try:
            while True:
                request = protocol.send(answer)
                answer = wanted() if isinstance(request, Ask) else self._answer(request)
        except StopIteration as end:
            outcome: Outcome | None = end.value
            return outcome

    def _answer(self, request: Read | Exists | Claim | Replace) -> Any:
        match request:
            case Read(key):
                try:
                    stored = self.bucket.read(key, limit=_MAX_METADATA)
                except GoneError:
                    return None
                return File(stored.data, stored)
            case Exists(key):
                return self.bucket.exists(key)
            case Claim(key, data):
                return self.bucket.replace(key, data, None, _type(key), _ONCE)
            case replacing:
                return self.bucket.replace(replacing.key, replacing.data, replacing.known, _type(TIMESTAMP), _POLLED)


def _type(key: str) -> str:
    return "application/json" if key.startswith(METADATA) else "application/octet-stream"
