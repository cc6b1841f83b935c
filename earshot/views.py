"""How things look on a terminal."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def terminal(*, stderr: bool = False) -> Console:
    """Where things are printed; wide enough for tables where there is no terminal to ask for its width."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 160)


def share(value: float | None) -> str:
    """A share of one as a percentage."""
    return "–" if value is None else f"{float(value):.1%}"


def seconds(value: float | None) -> str:
    """A duration, whole seconds."""
    return "–" if value is None else f"{float(value):.0f} s"


def device_line(event: dict[str, Any]) -> str:
    """A board's event in words, with rich's markup."""
    kind = event["event"]
    colour = {"confirmed": "green", "rejected": "red", "error": "red", "current": "dim", "checking": "dim"}.get(
        kind, "cyan"
    )
    rest = "  ".join(f"{key} {value}" for key, value in event.items() if key != "event")
    return f"[{colour}]board {kind:<12}[/{colour}] {escape(rest)}"


def per_hour(value: float | None) -> str:
    """So many an hour."""
    return "–" if value is None else f"{float(value):.3g}"


def verdict_line(verdict: dict[str, Any]) -> str:
    """A gate's verdict in words."""
    value = "not measured" if verdict["value"] is None else _figure(verdict["value"])
    detail = f": {verdict['detail']}" if verdict.get("detail") else ""
    return f"{verdict['gate']} {value} (limit {_figure(verdict['limit'])}){detail}"


def verdict_mark(verdict: dict[str, Any]) -> str:
    """A gate's verdict with rich's markup: passed or failed, and the clips that show why."""
    mark = "[green]passed[/green]" if verdict["passed"] else "[red]failed[/red]"
    clips = f"  e.g. {', '.join(verdict['clips'])}" if verdict.get("clips") else ""
    return f"{mark}  {escape(verdict_line(verdict) + clips)}"


def _figure(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.6g}"


def confusion_table(confusion: dict[str, Any]) -> Table:
    """Rows are what was said, columns what was heard."""
    table = Table("said \\ heard", *confusion["labels"], box=None)
    for label, row in zip(confusion["labels"], confusion["matrix"], strict=True):
        table.add_row(label, *(str(int(count)) for count in row))
    return table
