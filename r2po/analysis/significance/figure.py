"""The significance tests as a figure: how large each gap is, and how far beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from r2po.analysis.output.canvas import name_rows, sheet, span
from r2po.analysis.output.style import NEUTRAL
from r2po.analysis.significance.tests import Comparison
from r2po.analysis.statistics.bootstrap import ConfidenceInterval
from r2po.analysis.statistics.welch import welch_interval
from r2po.runlog.facts import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.24
"""Inches per test."""

SMALLEST_P = 1e-6
"""Smaller ones are drawn here."""

LEVEL = 0.05

P_MARKS = (("Welch p", "o", "white"), ("Holm p", "o", NEUTRAL), ("permutation p", "x", NEUTRAL))


class Shown(NamedTuple):
    """A line of the figure.

    Attributes:
        label: Environment and baseline.
        style: Of the baseline.
        runs: Number of runs of R2PO and of the baseline.
        gap: R2PO minus baseline with its interval, in units of the distance from the random policy to the target.
        p: Of Welch's test, after Holm's correction, of the permutation test.
    """

    label: str
    style: Style
    runs: tuple[int, int]
    gap: ConfidenceInterval
    p: tuple[float, float, float]


def shown(row: Comparison) -> Shown | None:
    """Return the line of a test; None if nothing was tested, or the environment has no measured random policy."""
    target, random = row.task["optimum"], row.task["random_reward"]
    if row.ours is None or row.baseline is None or row.welch is None or row.welch.too_few:
        return None
    if row.permutation is None or row.holm_p is None or target is None or random is None:
        return None
    unit = target - random
    gap = welch_interval(row.ours.values, row.baseline.values)
    return Shown(
        label(row),
        row.baseline.style,
        (len(row.ours.values), len(row.baseline.values)),
        ConfidenceInterval(gap.value / unit, gap.low / unit, gap.high / unit),
        (row.welch.p, row.holm_p, row.permutation.p),
    )


def label(row: Comparison) -> str:
    """Name environment and baseline."""
    return row.task["label"] + (f" / {row.baseline.label}" if row.baseline else "")


def significance_figure(rows: Sequence[Comparison], title: str, about: str) -> Figure:
    """Draw each test that could be made, in order: the gap with its interval, and its three p-values.

    The caption ends in ``about``, which says whose runs they are.
    """
    lines = [line for line in map(shown, rows) if line is not None]
    left_out = [label(row) for row in rows if shown(row) is None]
    figure = sheet(title, _caption(lines, left_out, about), 1.7 + ROW * max(len(lines), 3))
    gaps, chances = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for number, line in enumerate(lines):
        _draw_gap(gaps, number, line)
        _draw_p(chances, number, line)
    _finish(gaps, chances, [line.label for line in lines])
    return figure


def _caption(lines: Sequence[Shown], left_out: Sequence[str], about: str) -> str:
    n = f"n = {span(count for line in lines for count in line.runs)}"
    text = (
        f"Left: mean of R2PO minus mean of the baseline, {n} runs each, in units of the distance from the random "
        "policy to the target; lines: Welch's 95 % intervals. Right: p of Welch's t, the same after Holm's correction, "
        f"and p of the permutation test; values below {SMALLEST_P:g} stand at the edge; dotted: {LEVEL:g}."
    )
    missing = f"Not shown, since nothing could be tested: {', '.join(left_out)}." if left_out else ""
    return " ".join(filter(None, (text, missing, about)))


def _draw_gap(axes: Axes, number: int, line: Shown) -> None:
    colour, marker, gap = line.style["colour"], line.style["marker"], line.gap
    axes.plot([gap.low, gap.high], [number, number], color=colour, linewidth=2.4, solid_capstyle="butt")
    axes.plot([gap.value], [number], marker=marker, color=colour, markersize=5.5, markeredgecolor=NEUTRAL)


def _draw_p(axes: Axes, number: int, line: Shown) -> None:
    # One below the other, since they are often equal.
    for offset, p, (_, marker, face) in zip((-0.25, 0.0, 0.25), line.p, P_MARKS, strict=True):
        axes.plot(
            [max(p, SMALLEST_P)],
            [number + offset],
            marker=marker,
            color=NEUTRAL,
            markerfacecolor=face,
            markersize=3.5,
            linestyle="none",
            clip_on=False,
        )


def _finish(gaps: Axes, chances: Axes, labels: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    gaps.axvline(0.0, color=NEUTRAL, linestyle=":", linewidth=1.0)
    gaps.set_xlabel("gap (normalised)")
    name_rows(gaps, labels)
    chances.axvline(LEVEL, color=NEUTRAL, linestyle=":", linewidth=1.0)
    chances.set_xscale("log")
    chances.set_xlim(SMALLEST_P, 1.0)
    chances.set_xticks([1e-6, 1e-4, 1e-2, 1.0], ["1e-6", "1e-4", "0.01", "1"])
    chances.minorticks_off()
    chances.set_xlabel("p")
    for axes in (gaps, chances):
        axes.grid(visible=False, axis="y")
    handles = [
        Line2D([], [], marker=marker, color=NEUTRAL, markerfacecolor=face, markersize=4, linestyle="none", label=label)
        for label, marker, face in P_MARKS
    ]
    legend = chances.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1.02, 1.0), ncols=3, columnspacing=0.8, handletextpad=0.1
    )
    # It is wider than its panel, which must not be moved for it; the empty title keeps its place.
    legend.set_in_layout(False)
    chances.set_title(" ", pad=8)
