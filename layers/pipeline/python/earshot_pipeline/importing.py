"""Judge a model that somebody brought along: the same gates, on the last dataset, and the same way out to boards."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from earshot_pipeline import naming
from earshot_pipeline.champion import Champions
from earshot_pipeline.run import Run
from earshot_pipeline.storage import Bucket, GoneError, TooLargeError, parse_json
from earshot_pipeline.table import Table

SCHEMA = "earshot.import/1"
_MAX_RECORD_BYTES = 65_536


class ImportRefusedError(ValueError):
    """The model cannot be judged now; the message says why and what to do."""


@dataclass(frozen=True)
class Importing:
    """Starts runs that judge imported models.

    Attributes:
        table: the pipeline's table.
        data: the data bucket.
        champions: finds the model to compare with.
        keywords: the words that the model must know.
        frontend: the id of the front end whose features the model must take.
    """

    table: Table
    data: Bucket
    champions: Champions
    keywords: tuple[str, ...]
    frontend: str

    def start(self, sha256: str, now: float) -> Run:
        """Start the run of an uploaded model; the one that judges it already, if there is one.

        Args:
            sha256: the model's sha256, which is its folder's name.
            now: in seconds since the epoch.

        Raises:
            ImportRefusedError: when it cannot be judged now.
        """
        pipeline = self.table.pipeline()
        if pipeline.active:
            active = self.table.run(pipeline.active)
            if active.imported == sha256:
                return active
            raise _busy(active.id, active.state)
        self._check(sha256)
        if not pipeline.dataset:
            raise ImportRefusedError(
                "there is no dataset yet to judge a model on; drop clips and let a run train first"
            )
        base = self.table.run(pipeline.dataset)
        features = base.card.get("frontend", "")
        if features != self.frontend:
            raise ImportRefusedError(
                f"the last dataset has features of front end {features}, the stack now has {self.frontend}; drop a clip"
                " and let a run compute them anew"
            )
        run = self.table.claim_import(pipeline, base, sha256, self.champions.bundle(), now)
        if run is None:
            raise _busy(self.table.pipeline().active, "")
        return run

    def _check(self, sha256: str) -> None:
        folder = self.data.uri(naming.import_prefix(sha256))
        if not self.data.exists(naming.import_prefix(sha256) + "model.tflite"):
            raise ImportRefusedError(f"{folder}model.tflite is not there; upload it with `earshot models import`")
        name = naming.import_prefix(sha256) + "import.json"
        try:
            record = parse_json(self.data.read(name, limit=_MAX_RECORD_BYTES).data, self.data.uri(name))
        except GoneError as fault:
            raise ImportRefusedError(f"{fault}; upload it with `earshot models import`") from fault
        except (TooLargeError, ValueError) as fault:
            raise ImportRefusedError(str(fault)) from fault
        wrong = self._wrong_with(record, sha256)
        if wrong:
            raise ImportRefusedError(f"{self.data.uri(name)}: {wrong}")

    def _wrong_with(self, record: object, sha256: str) -> str:
        """What is wrong with import.json; "" when nothing is."""
        if not isinstance(record, Mapping) or record.get("schema") != SCHEMA or record.get("sha256") != sha256:
            return f"not {SCHEMA} of {sha256}"
        labels: Any = record.get("labels")
        if not isinstance(labels, list) or len(set(map(str, labels))) != len(labels):
            return "labels is not a list of different words"
        missing = [word for word in (*self.keywords, "unknown", "silence") if word not in labels]
        if missing:
            return f"labels lack {', '.join(missing)}, which this stack needs"
        if record.get("frontend") not in (self.frontend, self.frontend.rpartition("-")[0]):
            return f"front end {record.get('frontend')} is unknown; this stack's is {self.frontend}"
        return ""


def _busy(run: str, state: str) -> ImportRefusedError:
    which = f"run {run} is active ({state})" if state else f"run {run or 'of somebody else'} began just now"
    return ImportRefusedError(f"{which}; import the model when it has ended, see `earshot runs`")
