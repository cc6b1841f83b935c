"""Publish a version: every board's artifacts, signed; then it is offered, to all boards or to a first group of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from earshot_pipeline.base_firmwares import BaseFirmwares
from earshot_pipeline.bundle import MAX_ARCHIVE_BYTES, BadBundleError, Bundle, read_bundle
from earshot_pipeline.firmware_image import BadFirmwareError, firmware_image, firmware_tar, image_version
from earshot_pipeline.job_document import BadJobDocumentError
from earshot_pipeline.model_image import Signer, SigningFailedError, model_image
from earshot_pipeline.offering import Offering
from earshot_pipeline.release import (
    FIRMWARE,
    FIRMWARE_TAR,
    IMAGE,
    RECORD,
    BadReleaseError,
    model_files,
    release_record,
    version_files,
)
from earshot_pipeline.rolling import Rolling
from earshot_pipeline.rollout import BadGroupsError, Group
from earshot_pipeline.run import Action, Event, Failed, FirmwarePublished, Overtaken, Run, RunState
from earshot_pipeline.storage import Bucket, GoneError, TooLargeError, split_uri
from earshot_pipeline.table import Table
from earshot_pipeline.tuf_repository import UntrustedMetadataError
from earshot_pipeline.tuf_updates import Updates
from earshot_pipeline.version import BadVersionError, Version

_DURING = frozenset({RunState.RELEASING})
_TYPES = {".c": "text/x-c", ".h": "text/x-c", ".html": "text/html; charset=utf-8", ".json": "application/json"}


@dataclass(frozen=True)
class Publishing:
    """Publishes versions.

    Attributes:
        table: the pipeline's table.
        data: the data bucket.
        signer: who signs images.
        offering: what boards are offered.
        rolling: who drives rollouts.
        groups: reads a rollout's groups, such as `5,25,100`; of "" those that the stack has for every version.
    """

    table: Table
    data: Bucket
    signer: Signer
    offering: Offering
    rolling: Rolling
    groups: Callable[[str], tuple[Group, ...]]

    @property
    def bases(self) -> BaseFirmwares:
        """The boards' base firmwares."""
        return BaseFirmwares(self.data)

    @property
    def releases(self) -> Bucket:
        """The releases bucket."""
        return self.offering.releases

    @property
    def boards(self) -> tuple[str, ...]:
        """The boards that releases are made for."""
        return self.offering.boards

    @property
    def updates(self) -> Updates:
        """The update metadata."""
        return self.offering.updates

    def publish(self, run: Run, demanded: Sequence[Action], now: float) -> tuple[Run, tuple[Action, ...]]:
        """Publish the run's version for every board and tell the run."""
        if Action.PUBLISH_FIRMWARE not in demanded or run.version is None:
            return run, tuple(demanded)
        event: Event
        try:
            event = self._publish(run, run.version, now)
        except (
            BadBundleError,
            BadFirmwareError,
            BadGroupsError,
            BadJobDocumentError,
            BadReleaseError,
            BadVersionError,
            GoneError,
            TooLargeError,
            SigningFailedError,
            UntrustedMetadataError,
        ) as fault:
            event = Failed(now, _DURING, f"version {run.version} cannot be published: {fault}")
            self.rolling.abandon(run.version, event.reason)
        return self.table.advance(run.id, lambda _: event)

    def _publish(self, run: Run, version: Version, now: float) -> Event:
        bundle = read_bundle(self.data.read(split_uri(run.bundle)[1], limit=MAX_ARCHIVE_BYTES).data)
        for key, content in version_files(bundle, version).items():
            self.releases.put(key, content, _content_type(key))
        for board in self.boards:
            self._release(run, version, board, bundle, now)
        higher = self.rolling.higher(version)
        if higher is None:
            groups = self._groups(run, version)
            if groups:
                self.rolling.begin(version, groups, now)
            else:
                higher = self._publish_to_all(version, now)
        return Overtaken(now, higher) if higher else FirmwarePublished(now)

    def _groups(self, run: Run, version: Version) -> tuple[Group, ...]:
        """The steps of the version's rollout; none where it goes to all boards at once."""
        stable = [self.offering.stable(board) for board in self.boards]
        if not self.updates.begun() or not all(found and found < version for found in stable):
            # Nobody could be told of a candidate, or brought back from it.
            return ()
        planned = self.offering.rollouts.planned_groups(version)
        if planned:
            return self.groups(planned)
        groups = self.groups("")
        return groups if len(groups) > 1 and not run.reissue_of else ()

    def _publish_to_all(self, version: Version, now: float) -> Version | None:
        self.rolling.supersede(version)
        outcome = self.offering.publish(now, version)
        higher = [*outcome.overtaken.values()] if outcome else []
        offered = self.offering.publish_documents(version)
        return max([*higher, *([offered] if offered else [])], default=None)

    def _release(self, run: Run, version: Version, board: str, bundle: Bundle, now: float) -> None:
        """Write a board's release; one that is complete is left as it is."""
        try:
            self.offering.record(version, board)
        except GoneError:
            pass
        else:
            return
        prefix = f"{version}/{board}/"
        files = dict(model_files(bundle, version))
        for path, content in files.items():
            self.releases.put(prefix + path, content, _content_type(path))
        image = model_image(bundle.model, version, board, bundle.card["frontend"], self.signer)
        # Signatures differ every time: the first image written is the release's, and the record is made from it.
        files[IMAGE] = self.releases.put_once(prefix + IMAGE, image)
        base = self.bases.newest(board)
        firmware = None
        if base is not None:
            whole = firmware_image(base, bundle.model, version, self.signer)
            files[FIRMWARE] = self.releases.put_once(prefix + FIRMWARE, whole)
            # Of the image that is there: somebody may have registered another base since it was written.
            firmware = image_version(files[FIRMWARE])
            files[FIRMWARE_TAR] = firmware_tar(files[FIRMWARE], firmware)
            self.releases.put(prefix + FIRMWARE_TAR, files[FIRMWARE_TAR], "application/x-tar")
        created = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        record = release_record(run, version, board, bundle, files, created, firmware)
        self.releases.put_once(prefix + RECORD, record, "application/json")


def _content_type(path: str) -> str:
    for ending, kind in _TYPES.items():
        if path.endswith(ending):
            return kind
    return "application/octet-stream"
