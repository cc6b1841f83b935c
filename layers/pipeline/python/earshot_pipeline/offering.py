"""What boards are offered: the stable model and, while a rollout runs, the candidate.

Boards with our own client follow the update metadata, which knows both; those with Infineon's agent the job document,
which only ever offers what is stable.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from earshot_pipeline.job_document import OfferedFile, job_document, published_firmware, published_version
from earshot_pipeline.release import FIRMWARE_DOCUMENT, JOB_DOCUMENT, RECORD, BadReleaseError, firmware_of, image_of
from earshot_pipeline.rollout import RolloutState
from earshot_pipeline.rollout_table import RolloutTable
from earshot_pipeline.storage import Bucket, GoneError, parse_json
from earshot_pipeline.tuf_repository import Offer, Outcome, Wanted
from earshot_pipeline.tuf_updates import CANDIDATE, Updates, offer
from earshot_pipeline.version import Version

_RACES = 5
# Releases never change; the job document is looked up again after a minute.
_POLLED = "public, max-age=60"


@dataclass(frozen=True)
class Offering:
    """Offers releases to boards.

    Attributes:
        rollouts: the pipeline's table.
        releases: the releases bucket.
        updates: the update metadata.
        boards: the boards that releases are made for.
        domain: the releases' domain name.
    """

    rollouts: RolloutTable
    releases: Bucket
    updates: Updates
    boards: tuple[str, ...]
    domain: str

    def record(self, version: Version, board: str) -> Mapping[str, Any]:
        """A release's record.

        Raises:
            GoneError: when there is no such release.
            BadReleaseError: when it is not a release's.
        """
        key = f"{version}/{board}/{RECORD}"
        record: Mapping[str, Any] = parse_json(self.releases.read(key).data, key)
        image_of(record)
        return record

    def stable(self, board: str) -> Version | None:
        """The version that a board's job document offers; None where there is none."""
        try:
            return published_version(self.releases.read(f"{board}/{JOB_DOCUMENT}").data)
        except GoneError:
            return None

    def publish(
        self, now: float, stable: Version | None = None, *, renew: bool = False, anew: bool = False
    ) -> Outcome | None:
        """Bring into the update metadata what there shall be, and sign anew what expires soon.

        Args:
            now: the time.
            stable: a version that becomes every board's stable one; None for what job documents offer.
            renew: sign everything anew.
            anew: begin anew where what is there cannot be trusted.

        Returns:
            What came of it; None where nobody has made a root yet.
        """
        return self.updates.publish(lambda: self._wanted(stable), now, renew=renew, anew=anew)

    def publish_documents(self, version: Version) -> Version | None:
        """Offer a version in the job document of every board that it was made for.

        Returns:
            The highest version that was offered already where that is higher.
        """
        higher = []
        for board in self.boards:
            try:
                record = self.record(version, board)
            except GoneError:
                continue
            if not self._offer(f"{board}/{JOB_DOCUMENT}", image_of(record), published_version):
                higher.append(self.stable(board))
            firmware = firmware_of(record)
            if firmware is not None:
                self._offer(f"{board}/{FIRMWARE_DOCUMENT}", firmware, published_firmware)
        return max((each for each in higher if each is not None), default=None)

    def _wanted(self, version: Version | None) -> Wanted:
        rollout = self.rollouts.newest_rollout()
        finished = rollout.version if rollout is not None and rollout.state is RolloutState.FINISHED else None
        offers = []
        for board in self.boards:
            stable = max((each for each in (version, finished, self.stable(board)) if each), default=None)
            # A board that the stack learnt of later has no release of before.
            with contextlib.suppress(GoneError):
                offers += [self._target(stable, board)] if stable else []
            if rollout is not None and rollout.active:
                with contextlib.suppress(GoneError):
                    offers.append(self._target(rollout.version, board, rollout.percent))
        if rollout is None or rollout.active:
            return Wanted(offers)
        return Wanted(offers, {f"{board}/{CANDIDATE}": rollout.version for board in self.boards})

    def _target(self, version: Version, board: str, percent: int | None = None) -> Offer:
        record = self.record(version, board)
        return offer(record, self.releases.read(image_of(record).path[1:]).data, percent)

    def _offer(self, key: str, file: OfferedFile, published: Callable[[bytes], Any]) -> bool:
        """Offer a file in a job document; returns whether it is offered, and not a higher version already."""
        document = job_document(file, self.domain)
        for _ in range(_RACES):
            try:
                known = self.releases.read(key)
            except GoneError:
                known = None
            offered = published(known.data) if known else None
            if offered is not None and offered > file.version:
                return False
            if known is not None and known.data == document:
                return True
            if self.releases.replace(key, document, known, "application/json", _POLLED):
                return True
        raise BadReleaseError(f"{key}: written by others again and again")
