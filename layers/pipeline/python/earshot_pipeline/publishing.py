"""Publish a version: every board's artifacts, signed, then the update metadata, and last the job document.

Boards with our own client follow the metadata, boards with Infineon's agent the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from earshot_pipeline.bundle import MAX_ARCHIVE_BYTES, BadBundleError, Bundle, read_bundle
from earshot_pipeline.job_document import BadJobDocumentError, ModelFile, job_document, published_version
from earshot_pipeline.model_image import Signer, SigningFailedError, model_image
from earshot_pipeline.release import (
    IMAGE,
    JOB_DOCUMENT,
    RECORD,
    BadReleaseError,
    image_of,
    model_files,
    release_record,
    version_files,
)
from earshot_pipeline.run import Action, Event, Failed, FirmwarePublished, Overtaken, Run, RunState
from earshot_pipeline.storage import Bucket, GoneError, TooLargeError, parse_json, split_uri
from earshot_pipeline.table import Table
from earshot_pipeline.tuf_repository import Offer, Outcome, UntrustedMetadataError
from earshot_pipeline.tuf_updates import Updates, offer
from earshot_pipeline.version import Version

_DURING = frozenset({RunState.RELEASING})
_RACES = 5
# Releases never change; the job document is looked up again after a minute.
_POLLED = "public, max-age=60"
_TYPES = {".c": "text/x-c", ".h": "text/x-c", ".html": "text/html; charset=utf-8", ".json": "application/json"}


@dataclass(frozen=True)
class Publishing:
    """Publishes versions.

    Attributes:
        table: the pipeline's table.
        data: the data bucket.
        releases: the releases bucket.
        signer: who signs images.
        updates: the update metadata.
        boards: the boards that releases are made for.
        domain: the releases' domain name.
    """

    table: Table
    data: Bucket
    releases: Bucket
    signer: Signer
    updates: Updates
    boards: tuple[str, ...]
    domain: str

    def publish(self, run: Run, demanded: Sequence[Action], now: float) -> tuple[Run, tuple[Action, ...]]:
        """Publish the run's version for every board and tell the run."""
        if Action.PUBLISH_FIRMWARE not in demanded or run.version is None:
            return run, tuple(demanded)
        event: Event
        try:
            event = self._publish(run, run.version, now)
        except (
            BadBundleError,
            BadJobDocumentError,
            BadReleaseError,
            GoneError,
            TooLargeError,
            SigningFailedError,
            UntrustedMetadataError,
        ) as fault:
            event = Failed(now, _DURING, f"version {run.version} cannot be published: {fault}")
        return self.table.advance(run.id, lambda _: event)

    def _publish(self, run: Run, version: Version, now: float) -> Event:
        bundle = read_bundle(self.data.read(split_uri(run.bundle)[1], limit=MAX_ARCHIVE_BYTES).data)
        for key, content in version_files(bundle, version).items():
            self.releases.put(key, content, _content_type(key))
        records = [self._release(run, version, board, bundle, now) for board in self.boards]
        outcome = self.updates.publish([self._target(record) for record in records], now)
        higher = [*outcome.overtaken.values()] if outcome else []
        higher += [other for record in records if (other := self._offer(image_of(record))) is not None]
        return Overtaken(now, max(higher)) if higher else FirmwarePublished(now)

    def refresh(self, now: float, *, renew: bool = False, anew: bool = False) -> Outcome | None:
        """Bring into the update metadata what job documents offer, and sign anew what expires soon.

        Args:
            now: the time.
            renew: sign everything anew.
            anew: begin anew where what is there cannot be trusted.

        Returns:
            What came of it; None where nobody has made a root yet.
        """
        offers = [found for board in self.boards if (found := self._offered(board)) is not None]
        return self.updates.publish(offers, now, renew=renew, anew=anew)

    def _offered(self, board: str) -> Offer | None:
        try:
            version = published_version(self.releases.read(f"{board}/{JOB_DOCUMENT}").data)
            return self._target(self._read(f"{version}/{board}/")) if version else None
        except GoneError:
            return None

    def _release(self, run: Run, version: Version, board: str, bundle: Bundle, now: float) -> Mapping[str, Any]:
        """Write a board's release and give its record; one that is complete is left as it is."""
        prefix = f"{version}/{board}/"
        try:
            return self._read(prefix)
        except GoneError:
            pass
        files = dict(model_files(bundle, version))
        for path, content in files.items():
            self.releases.put(prefix + path, content, _content_type(path))
        image = model_image(bundle.model, version, board, bundle.card["frontend"], self.signer)
        # Signatures differ every time: the first image written is the release's, and the record is made from it.
        files[IMAGE] = self.releases.put_once(prefix + IMAGE, image)
        created = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        self.releases.put_once(
            prefix + RECORD, release_record(run, version, board, bundle, files, created), "application/json"
        )
        return self._read(prefix)

    def _read(self, prefix: str) -> Mapping[str, Any]:
        record: Mapping[str, Any] = parse_json(self.releases.read(prefix + RECORD).data, prefix + RECORD)
        image_of(record)
        return record

    def _target(self, record: Mapping[str, Any]) -> Offer:
        return offer(record, self.releases.read(image_of(record).path[1:]).data)

    def _offer(self, file: ModelFile) -> Version | None:
        """Offer a file to its board; returns the version offered already when that is higher."""
        key = f"{file.board}/{JOB_DOCUMENT}"
        document = job_document(file, self.domain)
        for _ in range(_RACES):
            try:
                known = self.releases.read(key)
            except GoneError:
                known = None
            offered = published_version(known.data) if known else None
            if offered is not None and offered > file.version:
                return offered
            if known is not None and known.data == document:
                return None
            if self.releases.replace(key, document, known, "application/json", _POLLED):
                return None
        raise BadReleaseError(f"{key}: written by others again and again")


def _content_type(path: str) -> str:
    for ending, kind in _TYPES.items():
        if path.endswith(ending):
            return kind
    return "application/octet-stream"
