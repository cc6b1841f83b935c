"""Follow runs: what is new of their states, gates, releases and jobs' logs, said as it happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import botocore.exceptions
from rich.markup import escape
from rich.progress import Progress, TaskID

from earshot import runs
from earshot.target import Target
from earshot.views import verdict_mark

EPOCH = re.compile(r"epoch (\d+)/(\d+) (.*)")
PREPROCESSED = re.compile(r"preprocess (\d+)/(\d+) clips")


class Bars:
    """Progress bars by name, made when first moved.

    Args:
        progress: Where they are drawn.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def move(self, key: str, description: str, done: int, total: int) -> None:
        """Draw a bar at `done` of `total`."""
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(description, total=total)
        self._progress.update(self._tasks[key], description=description, completed=done, total=total)

    def clear(self) -> None:
        """Remove all."""
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()


class Follower:
    """Says what is new of runs.

    Args:
        target: The cloud.
        say: Prints a line.
        bars: Show how far a job is.
    """

    def __init__(self, target: Target, say: Callable[[str], None], bars: Bars) -> None:
        self._target = target
        self._say = say
        self._bars = bars
        self._logs = target.client("logs")
        self._states: dict[str, str] = {}
        self._steps: set[tuple[str, str]] = set()
        self._tokens: dict[str, str] = {}

    @property
    def heard(self) -> tuple[str, ...]:
        """Where the logs were read to; it changes while a job says something."""
        return tuple(self._tokens.values())

    def follow(self, run: dict[str, Any]) -> None:
        """Say what is new of a run."""
        if self._states.get(run["id"]) != run["state"]:
            self._states[run["id"]] = run["state"]
            self._say(_state_line(run))
        if run["verdicts"] and self._first(run, "gates"):
            for verdict in run["verdicts"]:
                self._say(f"gate        {verdict_mark(verdict)}")
        if run["firmware_done"] and self._first(run, "release"):
            outputs = self._target.outputs
            self._say(
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
            self._bars.move(run["id"], f"run {run['id']} training", int(done), int(total))
            self._say(f"[magenta]training[/magenta]    epoch {done:>2}/{total} {escape(measured)}")
        elif clips := PREPROCESSED.search(line):
            self._bars.move(run["id"], f"run {run['id']} preprocessing", int(clips[1]), int(clips[2]))
        elif line.startswith("test "):
            self._say(f"[magenta]training[/magenta]    {escape(line)}")


def _state_line(run: dict[str, Any]) -> str:
    summary = runs.summary(run)
    details: dict[str, Callable[[], str]] = {
        "preprocessing": lambda: f"{summary['clips_new']} new clips of {summary['clips_total']}",
        "training": lambda: (
            ("no training: an imported model is judged " if run.get("imported") else "")
            + f"on {summary['clips_total']} clips"
        ),
    }
    detail = details.get(run["state"], lambda: "")()
    if summary["version"]:
        detail += f" version {summary['version']}"
    if summary["accuracy"]["int8"] is not None:
        detail += f", accuracy {summary['accuracy']['int8']:.1%} (int8) on speakers it never trained on"
    return f"[bold]run {run['id']}[/bold] {run['state']:<16}{detail.strip()}"
