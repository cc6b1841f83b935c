"""Releases as targets of the update metadata that boards follow (docs/contracts.md, section 13)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from earshot_pipeline.release import IMAGE, BadReleaseError
from earshot_pipeline.tuf_bucket import RepositoryBucket
from earshot_pipeline.tuf_repository import METADATA, Lifetimes, Offer, Outcome, Signers, update

# A board's model slot. An image that does not fit is no board's.
SLOT_BYTES = 256 * 1024
HOW_TO_BEGIN = "there is no signed update metadata: run `earshot keys init` once, where the root keys shall be kept"


@dataclass(frozen=True)
class Updates:
    """The update metadata of a stack.

    Attributes:
        repository: where it is.
        signers: who signs it.
        lifetimes: for how long.
    """

    repository: RepositoryBucket
    signers: Signers
    lifetimes: Lifetimes

    def begun(self) -> bool:
        """Whether somebody has made a root."""
        return self.repository.bucket.exists(f"{METADATA}1.root.json")

    def publish(
        self, offers: Sequence[Offer], now: float, *, renew: bool = False, anew: bool = False
    ) -> Outcome | None:
        """Offer these from now on; None where nobody has made a root yet.

        Raises:
            UntrustedMetadataError: what is there cannot be built upon.
            RacedError: others were faster again and again.
        """
        at = datetime.fromtimestamp(now, UTC)
        return self.repository.carry_out(update(offers, self.signers, self.lifetimes, at, renew=renew, anew=anew))


def offer(record: Mapping[str, Any], image: bytes) -> Offer:
    """What a release offers its board.

    Args:
        record: its release.json.
        image: its model image.

    Raises:
        BadReleaseError: the record is not one of a release, the image is another, or fits into no board.
    """
    try:
        board, version, frontend, sha256 = (
            record["board"], record["version"], record["frontend"], record["image"]["sha256"]
        )  # fmt: skip
    except (KeyError, TypeError) as fault:
        raise BadReleaseError(f"release.json: not a release's record ({fault})") from fault
    if hashlib.sha256(image).hexdigest() != sha256:
        raise BadReleaseError(f"{version}/{board}/{IMAGE}: not the file that release.json describes")
    if len(image) > SLOT_BYTES:
        raise BadReleaseError(
            f"{version}/{board}/{IMAGE}: {len(image)} bytes; a board's slot holds {SLOT_BYTES}: lower MaxModelBytes"
        )
    custom = {
        "board": board,
        "version": version,
        "frontend": frontend,
        # A release's own salt: which boards come first is another draw each time.
        "rollout": {"percent": 100, "salt": sha256[:16]},
        "size_limit": SLOT_BYTES,
    }
    return Offer(f"{board}/{IMAGE}", image, custom)
