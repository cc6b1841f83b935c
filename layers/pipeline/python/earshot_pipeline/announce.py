"""Tell the account's event bus how a run ended: notifications and the next run's start follow from it."""

import json
from dataclasses import dataclass
from typing import Any

from earshot_pipeline.run import Run

SOURCE = "earshot"
DETAIL_TYPE = "Earshot Run Ended"


class NotDeliveredError(RuntimeError):
    """The bus did not take the event; it will be sent again."""


@dataclass(frozen=True)
class Announcer:
    """The event bus.

    Attributes:
        events: a boto3 EventBridge client.
        stack: the stack's name: several stacks may share a bus.
    """

    events: Any
    stack: str

    def run_ended(self, run: Run) -> None:
        """Say that a run ended.

        Raises:
            NotDeliveredError: when the bus did not take it.
        """
        detail = {
            "stack": self.stack,
            "run": run.id,
            "state": run.state.value,
            "version": str(run.version) if run.version else "",
            "reason": run.reason,
            "clips_new": run.clips_new,
            "clips_total": run.clips_total,
            "imported": run.imported,
        }
        answer = self.events.put_events(
            Entries=[{"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}]
        )
        if answer.get("FailedEntryCount"):
            raise NotDeliveredError(f"run {run.id}: its end could not be announced: {answer['Entries'][0]}")
