"""Releases as targets of the update metadata that boards follow (docs/contracts.md, section 13)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from earshot_pipeline.release import IMAGE, BadReleaseError
from earshot_pipeline.tuf_bucket import RepositoryBucket
from earshot_pipeline.tuf_repository import METADATA, Lifetimes, Offer, Outcome, Signers, Wanted, update

# A board's model slot. An image that does not fit is no board's.
SLOT_BYTES = 256 * 1024
CANDIDATE = "candidate.img"
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
        self, offers: Sequence[Offer] | Callable[[], Wanted], now: float, *, renew: bool = False, anew: bool = False
    ) -> Outcome | None:
        """Offer these from now on; None where nobody has made a root yet.

        Args:
            offers: what shall be offered, or who says so when asked.
            now: the time.
            renew: sign everything anew.
            anew: begin anew where what is there cannot be trusted.

        Raises:
            UntrustedMetadataError: what is there cannot be built upon.
            RacedError: others were faster again and again.
        """
        at = datetime.fromtimestamp(now, UTC)
        if callable(offers):
            protocol = update(None, self.signers, self.lifetimes, at, renew=renew, anew=anew)
            return self.repository.carry_out(protocol, offers)
        return self.repository.carry_out(update(offers, self.signers, self.lifetimes, at, renew=renew, anew=anew))


def offer(record: Mapping[str, Any], image: bytes, percent: int | None = None) -> Offer:
    """What a release offers its board.

    Args:
        record: its release.json.
        image: its model image.
        percent: the share of boards that it is a candidate for; None for the stable one, which is everybody's.

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
        "rollout": {"percent": 100 if percent is None else percent, "salt": sha256[:16]},
        "size_limit": SLOT_BYTES,
    }
    return Offer(f"{board}/{IMAGE if percent is None else CANDIDATE}", image, custom)
