"""A line of a curve: the mean over runs, which changes its sample where runs end before others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from r2po.analysis.logs.run_data import RunData
from r2po.analysis.output.style import SMALL_FONT_SIZE, line_style
from r2po.analysis.statistics.align import MeanCurve, Series, mean_curve
from r2po.runlog.facts import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

FEW = 3
"""Up to so many points a line has markers."""

STRETCHES = 4
"""Parts of a line with different numbers of runs that are drawn; more could not be told apart."""


@dataclass(frozen=True)
class Curve:
    """A line: the mean over runs.

    Attributes:
        label: What the legend calls it.
        style: How it is drawn.
        runs: At least one, all with iterations.
        series: What is drawn of each run; by default its reward over the episodes that it spent.
        unbroken: Whether the line goes on where runs end, as in the published figures: the mean of fewer and fewer.
    """

    label: str
    style: Style
    runs: Sequence[RunData]
    series: Sequence[Series] | None = None
    unbroken: bool = False

    @cached_property
    def mean(self) -> MeanCurve:
        """The mean of the runs on a common grid: each run's latest value, the last one of a complete run carried on."""
        series = self.series or [Series(run.episodes, run.series, carried=run.complete) for run in self.runs]
        return mean_curve(series)

    @property
    def shown(self) -> list[MeanCurve]:
        """What is drawn: the part that all runs have reached, and what the others go on to, apart from it."""
        return [self.mean] if self.unbroken else self.mean.stretches[:STRETCHES]

    @property
    def is_free(self) -> bool:
        """Whether its runs spend nothing of what the axis counts, so that it is a level, not a curve."""
        return not self.mean.grid.any()

    @property
    def drops(self) -> str:
        """Say how the number of runs falls along the line, e.g. ``"10 up to 400, then 9"``; empty if it does not."""
        parts = [] if self.unbroken else self.mean.stretches
        counts = [int(part.count[0]) for part in parts]
        if len(parts) < 2:
            return f"{counts[0]}, since others ended before all had begun" if counts and counts[0] < self.total else ""
        rest = str(counts[1]) if len(counts) == 2 else f"{counts[1]} to {counts[-1]}"
        return f"{counts[0]} up to {amount(parts[0].grid[-1])}, then {rest}"

    @property
    def total(self) -> int:
        """Number of its runs."""
        return len(self.series or self.runs)


def draw_curve(axes: Axes, curve: Curve, alpha: float) -> Line2D:
    """Draw what all runs have reached as a line with a band, and what the others go on to as thin lines."""
    first, *later = curve.shown
    if len(curve.runs) > 1:
        low, high = first.mean - first.std, first.mean + first.std
        axes.fill_between(first.grid, low, high, color=curve.style["colour"], alpha=alpha, linewidth=0)
    line = _draw_line(axes, curve, first, linewidth=1.3)
    for part in later:
        draw_rest(axes, part, curve.style["colour"])
    return line


def draw_rest(axes: Axes, part: MeanCurve, colour: str, *, steps: bool = False, named: bool = True) -> None:
    """Draw a part of a mean for which some runs are missing: apart, thin, and, if ``named``, with their number."""
    axes.plot(
        part.grid,
        part.mean,
        color=colour,
        linewidth=0.7,
        alpha=0.75,
        marker="." if len(part.grid) == 1 else "",
        markersize=3,
        drawstyle="steps-post" if steps else "default",
    )
    if named:
        axes.annotate(
            f"n = {part.count[0]}",
            (part.grid[0], part.mean[0]),
            (1, -3),
            textcoords="offset points",
            va="top",
            fontsize=SMALL_FONT_SIZE - 2.5,
            color=colour,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.4},
        )


def _draw_line(axes: Axes, curve: Curve, part: MeanCurve, linewidth: float) -> Line2D:
    (line,) = axes.plot(
        part.grid,
        part.mean,
        color=curve.style["colour"],
        linestyle=line_style(curve.style),
        linewidth=linewidth,
        marker=curve.style["marker"] if len(part.grid) <= FEW else "",
        markersize=3.5,
    )
    return line


def draw_level(axes: Axes, curve: Curve) -> Line2D:
    """Draw what runs reach that spend nothing of what the axis counts."""
    return axes.axhline(
        float(curve.mean.mean[-1]), color=curve.style["colour"], linestyle=line_style(curve.style), linewidth=0.9
    )


def amount(value: float) -> str:
    """Write what was spent: whole from 100 on, else with three digits."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
