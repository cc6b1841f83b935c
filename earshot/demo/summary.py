"""What the demonstration ends with: a table for people, summary.json for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from earshot import runs
from earshot.demo.hearing import Heard
from earshot.errors import EarshotError
from earshot.views import confusion_table, seconds, share


def summarise(
    dropped: int,
    counts: dict[str, int],
    quarantined: dict[str, str],
    every_run: list[dict[str, Any]],
    endpoint: dict[str, Any],
    device_version: str,
    heard: list[Heard],
) -> dict[str, Any]:
    """The summary as build/demo/summary.json holds it."""
    return {
        "clips": {
            "dropped": dropped,
            "ingested": counts["ingested"],
            "duplicate": counts["duplicate"],
            "quarantined": quarantined,
        },
        "runs": [runs.summary(run) for run in reversed(every_run)],
        "endpoint": {**endpoint, "clips_tried": len(heard), "correct": sum(h.endpoint == h.said for h in heard)},
        "device": {
            "port": "host",
            "model_version": device_version,
            "confirmed": True,
            "clips_heard": len(heard),
            "correct": sum(h.board == h.said for h in heard),
            "agrees_with_cloud": sum(h.board == h.endpoint for h in heard),
        },
    }


def write(summary: dict[str, Any], path: Path) -> None:
    """Write summary.json.

    Raises:
        EarshotError: Something in it is null: the demonstration has not seen it happen.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary, indent=2) + "\n")
    missing = list(_nulls(summary, ""))
    if missing:
        raise EarshotError(f"{path}: the demonstration never saw {', '.join(missing)}")


def _nulls(value: Any, name: str) -> Any:
    if value is None:
        yield name.lstrip(".")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _nulls(inner, f"{name}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _nulls(inner, f"{name}[{index}]")


def show(summary: dict[str, Any], screen: Console) -> None:
    """Print the summary as tables."""
    clips, endpoint, device = summary["clips"], summary["endpoint"], summary["device"]
    screen.print(
        f"\n[bold]Clips[/bold]     {clips['dropped']} dropped = {clips['ingested']} ingested"
        f" + {clips['duplicate']} duplicate + {len(clips['quarantined'])} quarantined"
    )
    for reason in clips["quarantined"].values():
        screen.print(f"          [yellow]{escape(reason)}[/yellow]", soft_wrap=True)
    table = Table(
        "run", "state", "version", "new", "clips", "float", "int8", "model", "arena", "preprocess", "train", "release",
        box=None, title="Runs", title_justify="left", title_style="bold",
    )  # fmt: skip
    for run in summary["runs"]:
        table.add_row(
            run["id"],
            run["state"],
            run["version"],
            str(run["clips_new"]),
            str(run["clips_total"]),
            share(run["accuracy"]["float"]),
            share(run["accuracy"]["int8"]),
            f"{run['model_bytes']} B",
            f"{run['arena_bytes']} B",
            *(seconds(run["seconds"][phase]) for phase in ("preprocess", "train", "release")),
        )
    screen.print()
    screen.print(table)
    newest = summary["runs"][-1]
    screen.print("\n[bold]Confusion[/bold] of the newest model (int8) on test speakers")
    screen.print(confusion_table(newest["confusion"]))
    screen.print(f"{share(newest['false_alarm_rate'])} of unknown and silent clips called a keyword")
    stream = newest["streaming"]
    if stream:
        screen.print(
            f"\n[bold]Streams[/bold]   {stream['misses']} of {stream['words']} keywords spoken into noise missed,"
            f" {stream['false_alarms_per_hour']:.0f} false alarms an hour of talk"
        )
    screen.print(
        f"\n[bold]Endpoint[/bold]  {endpoint['status']}, version {endpoint['model_version']}:"
        f" {endpoint['correct']} of {endpoint['clips_tried']} clips right"
    )
    screen.print(
        f"[bold]Board[/bold]     version {device['model_version']} confirmed: {device['correct']} of"
        f" {device['clips_heard']} clips right; same answer as the endpoint on {device['agrees_with_cloud']}"
    )
