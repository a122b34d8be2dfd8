"""The significance tests as a figure: how large each gap is, and how far beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from r2po.analysis.output.canvas import name_rows, sheet, span
from r2po.analysis.output.scores import FEW_MARK, FEW_RUNS
from r2po.analysis.output.style import NEUTRAL
from r2po.analysis.significance.effects import LEVEL
from r2po.analysis.significance.tests import Comparison
from r2po.analysis.statistics.bootstrap import ConfidenceInterval
from r2po.runlog.facts import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.24
"""Inches per test."""

SMALLEST_P = 1e-6
"""Smaller ones are drawn here."""

P_MARKS = (("t-test p", "o", "white"), ("corrected p", "o", NEUTRAL), ("permutation p", "x", NEUTRAL))


class Shown(NamedTuple):
    """A line of the figure.

    Attributes:
        label: Environment and baseline.
        style: Of the baseline.
        runs: Number of runs of R2PO and of the baseline.
        gap: R2PO minus baseline with its interval, in units of the distance from the random policy to the target.
        detectable: The smallest gap that is found in 80 % of all cases, in the same units; 0 without variance.
        p: Of the t-test, the same corrected, of the permutation test.
        paired: Whether runs of equal seeds are pairs.
        is_few: Whether its interval is one of few runs.
    """

    label: str
    style: Style
    runs: tuple[int, int]
    gap: ConfidenceInterval
    detectable: float
    p: tuple[float, float, float]
    paired: bool
    is_few: bool


def shown(row: Comparison) -> Shown | None:
    """Return the line of a test; None if nothing was tested, or the environment has no measured random policy."""
    target, random = row.task["optimum"], row.task["random_reward"]
    if row.ours is None or row.baseline is None or row.effect is None or target is None or random is None:
        return None
    p = row.chosen_p, row.corrected_p, row.chosen_permutation_p
    assert row.gap is not None
    unit = target - random
    gap = row.effect.gap or ConfidenceInterval(row.gap, row.gap, row.gap)
    return Shown(
        label(row),
        row.baseline.style,
        (len(row.ours.values), len(row.baseline.values)),
        ConfidenceInterval(gap.value / unit, gap.low / unit, gap.high / unit),
        (row.effect.detectable(row.family) or 0.0) / unit,
        (p[0] or 0.0, p[1] or 0.0, p[2] or 0.0),
        row.paired,
        row.effect.is_of_few,
    )


def label(row: Comparison) -> str:
    """Name environment and baseline."""
    return row.task["label"] + (f" / {row.baseline.label}" if row.baseline else "")


def significance_figure(rows: Sequence[Comparison], title: str, about: str) -> Figure:
    """Draw each test that could be made, in order: the gap with its interval, and its three p-values.

    The caption ends in ``about``, which says whose runs they are.
    """
    lines = [line for line in map(shown, rows) if line is not None]
    figure = sheet(title, _caption(rows, lines, about), 1.7 + ROW * max(len(lines), 3))
    gaps, chances = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for number, line in enumerate(lines):
        _draw_gap(gaps, number, line)
        _draw_p(chances, number, line)
    _draw_detectable(gaps, lines)
    _finish(gaps, chances, [f"{line.label} {FEW_MARK}" if line.is_few else line.label for line in lines])
    return figure


def _caption(rows: Sequence[Comparison], lines: Sequence[Shown], about: str) -> str:
    n = f"n = {span(count for line in lines for count in line.runs)}"
    text = (
        f"Left: mean of R2PO minus mean of the baseline, {n} runs each, in units of the distance from the random "
        f"policy to the target; lines: 95 % intervals of {_test(lines)}, without variance none; grey: gaps that are "
        "too small for it to find in 80 % of all cases. Right: p of that test, the same corrected for all tests, "
        f"and p of the permutation test; values below {SMALLEST_P:g} stand at the edge; dotted: {LEVEL:g}."
    )
    if any(row.choice > 1 for row in rows):
        text += " Where R2PO is worse, p are multiplied by the number of baselines that the best was chosen from."
    few = f"{FEW_MARK} Fewer than {FEW_RUNS} runs on a side: the interval holds only for normal values."
    few = few if any(line.is_few for line in lines) else ""
    left_out = _left_out([row for row in rows if row.effect is None])
    missing = f"Not shown, since nothing could be tested: {left_out}." if left_out else ""
    unscaled = ", ".join(label(row) for row in rows if row.effect is not None and shown(row) is None)
    no_scale = f"Tested, but not shown, since the target or a random policy's reward is unknown: {unscaled}."
    return " ".join(filter(None, (text, few, missing, no_scale if unscaled else "", about)))


def _test(lines: Sequence[Shown]) -> str:
    paired = [line.label for line in lines if line.paired]
    if not paired:
        return "Welch's t-test"
    return "the t-test of pairs by seed" + (
        "" if len(paired) == len(lines) else f" ({', '.join(paired)}), else Welch's"
    )


def _left_out(rows: Sequence[Comparison]) -> str:
    """Name the tests that could not be made by what is missing: ``"Pong (no runs of ProPS+); Maze, Nim (no ...)"``."""
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(row.notes[0] if row.notes else "", []).append(label(row))
    return "; ".join(f"{', '.join(each)}{f' ({why})' if why else ''}" for why, each in names.items())


def _draw_detectable(axes: Axes, lines: Sequence[Shown]) -> None:
    """Shade what is too small to be found, as far as it is in the picture."""
    limits = axes.get_xlim()
    for number, line in enumerate(lines):
        axes.barh(number, 2 * line.detectable, 0.7, -line.detectable, color=NEUTRAL, alpha=0.15, linewidth=0)
    axes.set_xlim(limits)


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
