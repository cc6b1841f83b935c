"""Benchmarks print a table and leave JSON in build/bench/: figures as ratios to one of them, measured in one run."""

import json
import platform
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "build" / "bench"


def write(name: str, unit: str, figures: dict[str, float], beside: str) -> None:
    """Print figures and write `build/bench/<name>.json`.

    Args:
        name: of the benchmark.
        unit: of the figures.
        figures: what was measured, by what.
        beside: the figure that the others are compared with.
    """
    print(f"{name}: {unit}")
    for what, figure in figures.items():
        print(f"  {what:<36}{figure:12.1f}   × {figure / figures[beside]:.2f}")
    save(name, {"unit": unit, "figures": figures, "beside": beside})


def save(name: str, result: dict[str, Any]) -> None:
    """Write a result, with the machine's kind, to `build/bench/<name>.json`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({**result, "machine": platform.machine()}, indent=2) + "\n")
