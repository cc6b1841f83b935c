"""Plots for a page: SVG that takes the page's colour of text and needs nothing but itself.

The same values give the same text: no dates, no random names.
"""

import base64
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import image
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Drawn with this colour, replaced by the page's own: light and dark need not be drawn twice.
_INK = "#010203"
_SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "earshot",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(
        color=["#3b82f6", "#f97316", "#10b981", "#d946ef", "#eab308", "#06b6d4", "#ef4444", "#8b5cf6"]
    ),
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "axes.grid": True,
    "grid.alpha": 0.18,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor"), _INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "grid.color"), _INK),
}
COLOURS = 8

Drawn = list[str]


@contextmanager
def _figure(columns: int, drawn: Drawn) -> Iterator[Sequence[Axes]]:
    """Axes side by side; leaves their SVG in `drawn`."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(4.2 * columns, 3.1), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False)[0]
        yield list(axes)
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    drawn.append(_embedded(text.getvalue()))


def _embedded(svg: str) -> str:
    """An SVG file as an element of a page: no prologue, no fixed size, no names of groups, the page's colour."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    return svg.replace(_INK, "currentColor").replace("<svg", '<svg role="img"', 1)


def _plain(label: str) -> str:
    """A label that matplotlib takes for text: a dollar sign begins mathematics, an underscore hides a line."""
    return label.replace("$", r"\$").removeprefix("_")


def _nearly_logarithmic(axis: Axes, ticks: dict[float, str]) -> None:
    """A logarithmic x axis that still has a zero; `ticks` are its places, 0 first, with their texts."""
    axis.set_xscale("symlog", linthresh=sorted(ticks)[1])
    axis.set_xticks(list(ticks), list(ticks.values()))
    axis.minorticks_off()


def training(history: Sequence[dict[str, Any]]) -> str:
    """Loss and accuracy by epoch, training and validation."""
    drawn: Drawn = []
    epochs = [epoch["epoch"] for epoch in history]
    with _figure(2, drawn) as axes:
        for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
            marker = "o" if len(epochs) == 1 else None
            axis.plot(epochs, [epoch[name] for epoch in history], label="training", marker=marker)
            axis.plot(epochs, [epoch[f"val_{name}"] for epoch in history], label="validation", marker=marker)
            axis.set(xlabel="epoch", title=name)
            axis.legend()
    return drawn[0]


def trade_off(curves: dict[str, dict[str, Any]]) -> list[str]:
    """Missed clips against false alarms by keyword, as many plots as colours ask for."""
    drawn: Drawn = []
    names = list(curves)
    for start in range(0, len(names), COLOURS):
        with _figure(1, drawn) as [axis]:
            for name in names[start : start + COLOURS]:
                curve = curves[name]
                axis.step(curve["false_alarm_rate"], curve["miss_rate"], where="post", label=_plain(name))
            _nearly_logarithmic(axis, {0: "0", 0.001: "0.1 %", 0.01: "1 %", 0.1: "10 %", 1: "100 %"})
            axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="share of other clips called so", ylabel="share missed")
            axis.legend()
    return drawn


def calibration(bins: dict[str, Sequence[dict[str, Any]]]) -> str:
    """Share of right answers over their score, for each form of the model."""
    drawn: Drawn = []
    with _figure(1, drawn) as [axis]:
        axis.plot([0, 1], [0, 1], color=_INK, alpha=0.4, linestyle="--", linewidth=1)
        for name, form in bins.items():
            filled = [b for b in form if b["answers"]]
            axis.plot([b["score"] for b in filled], [b["accuracy"] for b in filled], marker="o", label=name)
        axis.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="score of the answer", ylabel="share of right answers")
        axis.legend()
    return drawn[0]


def operating(points: Sequence[dict[str, Any]], threshold: int) -> str:
    """Misses against false alarms an hour on streams over thresholds; the chosen one is marked."""
    drawn: Drawn = []
    with _figure(1, drawn) as [axis]:
        alarms = [point["false_alarms_per_hour"] for point in points]
        misses = [point["miss_rate"] for point in points]
        axis.plot(alarms, misses, marker=".")
        for point in points:
            if point["threshold"] == threshold:
                axis.plot(
                    point["false_alarms_per_hour"],
                    point["miss_rate"],
                    marker="o",
                    markersize=9,
                    linestyle="",
                    label=f"threshold {threshold}",
                )
                axis.legend()
        _nearly_logarithmic(axis, {0: "0", 10: "10", 100: "100", 1000: "1000"})
        axis.set(ylim=(0, 1.02), xlabel="false alarms an hour", ylabel="share of words missed")
        axis.set_xlim(left=0)
    return drawn[0]


def picture(features: npt.NDArray[np.int8]) -> str:
    """Features of a clip, int8 (frames, channels), as a `data:` address of a PNG: time to the right, pitch up."""
    content = io.BytesIO()
    values = features.T[::-1].astype(np.int64) + 128
    image.imsave(content, values, cmap="magma", vmin=0, vmax=255, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
