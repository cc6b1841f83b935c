"""Watch a stack work: what becomes of clips, jobs, models, the endpoint and a board, said as it happens."""

from __future__ import annotations

import time
from typing import Any

import botocore.exceptions
from rich.markup import escape
from rich.progress import Progress

from earshot import runs
from earshot.demo.board import Board
from earshot.errors import EarshotError
from earshot.follow import Bars, Follower
from earshot.target import Target
from earshot.views import device_line

LOOK_SECONDS = 0.7
BROKEN = ("failed", "rejected")


class Watch:
    """Looks at a stack again and again and says what is new.

    Args:
        target: The cloud.
        board: The board that runs on it.
        progress: Where bars are drawn and lines printed.
    """

    def __init__(self, target: Target, board: Board, progress: Progress) -> None:
        self._target = target
        self._board = board
        self._progress = progress
        self._sagemaker = target.client("sagemaker")
        self._quarantined: set[str] = set()
        self._endpoint: str | None = None
        self._told: list[dict[str, Any]] = []
        self._bars = Bars(progress)
        self._follower = Follower(target, self.say, self._bars)
        self.dropped = 0  # files, told by who drops them
        self.counts = dict.fromkeys(runs.FATES, 0)
        self.runs: list[dict[str, Any]] = []

    def say(self, line: str) -> None:
        """Print a line above the bars, with the time of day."""
        self._progress.console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {line}", soft_wrap=True)

    @property
    def placed(self) -> int:
        """Dropped files that have their place: in the index, known as duplicates, or in quarantine."""
        return sum(self.counts.values())

    def until_settled(self, timeout: float) -> dict[str, Any]:
        """Wait until every dropped clip has its place and the newest model is served and confirmed on the board.

        Args:
            timeout: Seconds without anything new after which it gives up.

        Returns:
            The newest run.

        Raises:
            EarshotError: A run failed or was rejected, or nothing moved for `timeout` seconds.
        """
        quiet_since, before = time.monotonic(), None
        while True:
            self.look()
            newest = self.runs[0] if self.runs else None
            if newest and newest["state"] in BROKEN:
                raise EarshotError(f"run {newest['id']} ended {newest['state']}: {newest['reason']}")
            if (
                newest
                and newest["state"] == "released"
                and self.placed == self.dropped
                and "first_arrival" not in runs.pipeline(self._target)
                and self._board.version == newest["version"]
            ):
                self._bars.clear()
                return newest
            now = (self.placed, newest and newest["state"], self._board.version, self._follower.heard)
            if now != before:
                quiet_since, before = time.monotonic(), now
            if time.monotonic() - quiet_since > timeout:
                raise EarshotError(
                    f"nothing moved for {timeout:.0f} s: {self.placed} of {self.dropped} clips placed, run "
                    f"{newest['id'] + ' ' + newest['state'] if newest else 'none'}, board on {self._board.version};"
                    " look at `earshot runs` and build/local/server.log"
                )
            time.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Look once and say what is new."""
        self.counts = runs.counts(self._target)
        self._bars.move("ingest", "clips ingested", self.placed, self.dropped)
        for key, reason in runs.quarantine(self._target).items():
            if key not in self._quarantined:
                self._quarantined.add(key)
                self.say(f"[yellow]quarantine[/yellow]  {escape(reason)}")
        self.runs = runs.list_runs(self._target)
        for run in reversed(self.runs):
            self._follower.follow(run)
        self._look_at_endpoint()
        for event in self._board.news():
            if event in self._told:
                continue  # a board that asks every two seconds says the same again and again
            self._told.append(event)
            if event["event"] == "error" and "HTTP 404" in event["reason"] and not self._board.version:
                self.say("[dim]board finds nothing published for it yet[/dim]")
            else:
                self.say(device_line(event))

    def _look_at_endpoint(self) -> None:
        name = self._target.outputs["EndpointName"]
        try:
            found = self._sagemaker.describe_endpoint(EndpointName=name)
        except botocore.exceptions.ClientError:
            return
        now = f"{found['EndpointStatus']} with {found.get('EndpointConfigName', '?')}"
        if now != self._endpoint:
            self._endpoint = now
            self.say(f"[blue]endpoint[/blue]    {escape(name)} {escape(now)}")
