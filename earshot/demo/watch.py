"""Watch a stack work: what becomes of clips, jobs, models, the endpoint and a board, said as it happens."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import botocore.exceptions
from rich.markup import escape
from rich.progress import Progress, TaskID

from earshot import runs
from earshot.demo.board import Board
from earshot.errors import EarshotError
from earshot.target import Target
from earshot.views import device_line, verdict_line

LOOK_SECONDS = 0.7
EPOCH = re.compile(r"epoch (\d+)/(\d+) (.*)")
PREPROCESSED = re.compile(r"preprocess (\d+)/(\d+) clips")
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
        self._logs = target.client("logs")
        self._sagemaker = target.client("sagemaker")
        self._quarantined: set[str] = set()
        self._states: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._endpoint: str | None = None
        self._told: list[dict[str, Any]] = []
        self._steps: set[tuple[str, str]] = set()
        self._bars: dict[str, TaskID] = {}
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
                for bar in self._bars.values():
                    self._progress.remove_task(bar)
                self._bars.clear()
                return newest
            now = (self.placed, newest and newest["state"], self._board.version, tuple(self._tokens.values()))
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
        self._bar("ingest", "clips ingested", self.placed, self.dropped)
        for key, reason in runs.quarantine(self._target).items():
            if key not in self._quarantined:
                self._quarantined.add(key)
                self.say(f"[yellow]quarantine[/yellow]  {escape(reason)}")
        self.runs = runs.list_runs(self._target)
        for run in reversed(self.runs):
            self._follow(run)
        self._look_at_endpoint()
        for event in self._board.news():
            if event in self._told:
                continue  # a board that asks every two seconds says the same again and again
            self._told.append(event)
            if event["event"] == "error" and "HTTP 404" in event["reason"] and not self._board.version:
                self.say("[dim]board finds nothing published for it yet[/dim]")
            else:
                self.say(device_line(event))

    def _follow(self, run: dict[str, Any]) -> None:
        if self._states.get(run["id"]) != run["state"]:
            self._states[run["id"]] = run["state"]
            self.say(_state_line(run))
        if run["verdicts"] and self._first(run, "gates"):
            for verdict in run["verdicts"]:
                mark = "[green]passed[/green]" if verdict["passed"] else "[red]failed[/red]"
                self.say(f"gate        {mark}  {escape(verdict_line(verdict))}")
        if run["firmware_done"] and self._first(run, "release"):
            outputs = self._target.outputs
            self.say(
                f"[bold]release[/bold]     {run['version']} for {escape(outputs['Boards'])}: images, C arrays and"
                f" job documents on {escape(outputs['ReleasesDomain'])}"
            )
        if run["state"] in ("preprocessing", "training"):
            for job, group in runs.job_logs(self._target, run):
                self._read_log(run, job, group)

    def _first(self, run: dict[str, Any], step: str) -> bool:
        """Whether this step of the run was not told before."""
        before = len(self._steps)
        self._steps.add((run["id"], step))
        return len(self._steps) > before

    def _read_log(self, run: dict[str, Any], job: str, group: str) -> None:
        try:
            streams = self._logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")["logStreams"]
            for stream in streams:
                name = stream["logStreamName"]
                token = {"nextToken": self._tokens[name]} if name in self._tokens else {}
                page = self._logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True, **token)
                self._tokens[name] = page["nextForwardToken"]
                for event in page["events"]:
                    self._log_line(run, event["message"].strip())
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise

    def _log_line(self, run: dict[str, Any], line: str) -> None:
        if epoch := EPOCH.search(line):
            done, total, measured = epoch.groups()
            self._bar(run["id"], f"run {run['id']} training", int(done), int(total))
            self.say(f"[magenta]training[/magenta]    epoch {done:>2}/{total} {escape(measured)}")
        elif clips := PREPROCESSED.search(line):
            self._bar(run["id"], f"run {run['id']} preprocessing", int(clips[1]), int(clips[2]))
        elif line.startswith("test "):
            self.say(f"[magenta]training[/magenta]    {escape(line)}")

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

    def _bar(self, key: str, description: str, done: int, total: int) -> None:
        if key not in self._bars:
            self._bars[key] = self._progress.add_task(description, total=total)
        self._progress.update(self._bars[key], description=description, completed=done, total=total)


def _state_line(run: dict[str, Any]) -> str:
    summary = runs.summary(run)
    details: dict[str, Callable[[], str]] = {
        "preprocessing": lambda: f"{summary['clips_new']} new clips of {summary['clips_total']}",
        "training": lambda: f"on {summary['clips_total']} clips",
    }
    detail = details.get(run["state"], lambda: "")()
    if summary["version"]:
        detail += f" version {summary['version']}"
    if summary["accuracy"]["int8"] is not None:
        detail += f", accuracy {summary['accuracy']['int8']:.1%} (int8) on speakers it never trained on"
    return f"[bold]run {run['id']}[/bold] {run['state']:<16}{detail.strip()}"
