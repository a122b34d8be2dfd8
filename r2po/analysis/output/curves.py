"""Learning curves of several methods: reward over the episodes spent, a panel per environment."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from r2po.analysis.logs.built_in import BUILT_IN
from r2po.analysis.logs.comparable import cells_phrase
from r2po.analysis.output.canvas import wrapped
from r2po.analysis.output.lines import Curve, draw_curve, draw_level
from r2po.analysis.output.scores import few_mark
from r2po.analysis.output.style import FONT_SIZE, NEUTRAL, SMALL_FONT_SIZE
from r2po.analysis.statistics.align import MeanCurve
from r2po.runlog.facts import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PANEL_WIDTH, PANEL_HEIGHT = 2.3, 1.75
SINGLE_WIDTH, SINGLE_HEIGHT = 6.5, 3.4
"""Inches."""

CHARACTERS_PER_INCH = 18.5
LEGEND_CHARACTERS_PER_INCH = 13
LEGEND_LINE = 0.17
"""Inches; panels have room for two lines above them."""

HANDLE = 8
"""Characters that a line and the gaps beside it take in a legend."""

BAND_SHARE = 0.3
"""How far bands may widen the vertical axis, in ranges of the means: one method that scatters must not flatten all."""


@dataclass(frozen=True)
class CurvePanel:
    """The lines of one environment; may be none.

    Attributes:
        title: Name of the environment.
        curves: The lines.
        target: Return that counts as solved, if there is one.
    """

    title: str
    curves: Sequence[Curve]
    target: float | None = None


def draw_curves(
    panels: Sequence[CurvePanel],
    title: str,
    caption: str,
    layout: tuple[int, int] | None = None,
    x_label: str = "total episodes",
    y_label: str = "reward",
) -> Figure:
    """Draw a panel per environment, at least one, in a grid of rows and columns, and one legend for all of them."""
    from matplotlib.figure import Figure

    rows, columns = layout or default_layout(len(panels))
    single = rows == columns == 1
    width = SINGLE_WIDTH if single else max(PANEL_WIDTH * columns, 4.5)
    lines = wrapped(caption, int(width * CHARACTERS_PER_INCH))
    height = (SINGLE_HEIGHT if single else PANEL_HEIGHT * rows + 0.5) + 0.12 * len(lines)
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.supxlabel("\n".join(lines), fontsize=SMALL_FONT_SIZE - 1, color="#404040")
    handles: dict[str, Line2D] = {}
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, number + 1)
        _draw_panel(axes, panel, handles, small=not single)
        if number + columns >= len(panels):
            axes.set_xlabel(x_label, fontsize=SMALL_FONT_SIZE)
        if number % columns == 0:
            axes.set_ylabel(f"{y_label} (mean return)" if single else y_label, fontsize=SMALL_FONT_SIZE)
    _draw_legend(figure, handles, (rows, columns), len(panels), textwrap.fill(title, int(width * 13)))
    return figure


def default_layout(panels: int) -> tuple[int, int]:
    """Return rows and columns that fit a page."""
    columns = panels if panels <= 3 else 2 if panels == 4 else 3
    return math.ceil(panels / columns), columns


def distinct_styles(wanted: Sequence[Style]) -> list[Style]:
    """Return a style for each line: the one that is wanted, or a free one of the built-in methods where it is taken."""
    colours = [style["colour"] for style in wanted]
    free = iter([facts["style"] for facts in BUILT_IN.values() if facts["style"]["colour"] not in colours])
    return [next(free, style) if style["colour"] in colours[:number] else style for number, style in enumerate(wanted)]


def runs_phrase(curves: Sequence[Curve]) -> str:
    """Say how many runs each line is the mean of: ``"n = 10 runs"``, or the number for each."""
    counts = {curve.label: len(curve.runs) for curve in curves}
    numbers = set(counts.values())
    if len(numbers) == 1:
        (count,) = numbers
        mark = few_mark(count)
        return f"n = {count} run{'' if count == 1 else 's'} each{mark}" if len(counts) > 1 else f"n = {count}{mark}"
    return "n = " + ", ".join(f"{count}{few_mark(count)} ({label})" for label, count in counts.items())


def drops_phrase(panels: Sequence[CurvePanel]) -> str:
    """Say where the number of runs falls along lines, and how that is drawn; empty where it does not."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for panel in panels:
        for curve in panel.curves:
            if curve.drops:
                groups.setdefault(curve.drops, []).append((curve.label, panel.title))
    falls = [f"{cells_phrase(cells)}: n = {drops}" for drops, cells in groups.items()]
    if not falls:
        return ""
    how = "Line and band end where the first run ends; a thin line is the mean of those that go on, with their number"
    return f"{how} ({'; '.join(falls)})."


def _draw_panel(axes: Axes, panel: CurvePanel, handles: dict[str, Line2D], *, small: bool) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    alpha = 0.14 if len(panel.curves) <= 4 else 0.07
    for curve in panel.curves:
        line = draw_level(axes, curve) if curve.is_free else draw_curve(axes, curve, alpha)
        handles.setdefault(curve.label, line)
    axes.set_title(panel.title, fontsize=SMALL_FONT_SIZE)
    if not panel.curves:
        axes.text(0.5, 0.5, "no runs", transform=axes.transAxes, ha="center", va="center", color="#6e6e6e")
        axes.set(xticks=[], yticks=[])
        return
    if panel.target is not None:
        line = axes.axhline(panel.target, color=NEUTRAL, linestyle=":", linewidth=1.0, zorder=1.5)
        handles.setdefault("target", line)
    _limit(axes, [curve.shown for curve in panel.curves], panel.target)
    whole = all((curve.mean.grid % 1 == 0).all() for curve in panel.curves)  # all but money
    axes.xaxis.set_major_locator(MaxNLocator(4 if small else 8, integer=whole, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5 if small else 7, steps=[1, 2, 2.5, 5, 10]))
    if whole:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if small:
        axes.tick_params(labelsize=SMALL_FONT_SIZE - 1)


def _limit(axes: Axes, lines: Sequence[Sequence[MeanCurve]], target: float | None) -> None:
    means = [part for line in lines for part in line]
    values = np.concatenate([mean.mean for mean in means] + ([] if target is None else [np.array([target])]))
    # Only the first part of each line has a band.
    banded = [line[0] for line in lines]
    bands = np.concatenate([mean.mean + sign * np.nan_to_num(mean.std) for mean in banded for sign in (-1, 1)])
    low, high = float(values.min()), float(values.max())
    span = high - low or max(abs(high), 1.0) * 0.1
    bottom = max(float(bands.min()), low - BAND_SHARE * span)
    top = min(float(bands.max()), high + BAND_SHARE * span)
    axes.set_ylim(min(bottom, low) - 0.05 * span, max(top, high) + 0.05 * span)
    axes.set_xlim(0, (max(float(mean.grid[-1]) for mean in means) or 1.0) * 1.02)


def _draw_legend(figure: Figure, handles: dict[str, Line2D], layout: tuple[int, int], panels: int, title: str) -> None:
    """Put the legend where the grid has room, with the title above the grid; else above it, headed by the title."""
    rows, columns = layout
    if rows * columns > panels and rows > 1:
        # The free end of the last row.
        axes = figure.add_subplot(rows, columns, (panels + 1, rows * columns))
        axes.axis("off")
        figure.suptitle(title, fontsize=FONT_SIZE)
        free = rows * columns - panels
        labels, fitting = _fitted(handles, figure.get_figwidth() * free / columns)
        axes.legend(handles.values(), labels, loc="center", ncols=min(2, free, fitting))
        return
    labels, fitting = _fitted(handles, figure.get_figwidth())
    fitting = max(1, min(len(handles), 5 if columns == 1 else 2 * columns, fitting))
    lines = sum(label.count("\n") + 1 for label in labels) / fitting
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * max(lines - 2, 0))
    figure.legend(
        handles.values(),
        labels,
        loc="outside upper center",
        ncols=fitting,
        title=title,
        title_fontsize=FONT_SIZE,
    )


def _fitted(names: Iterable[str], width: float) -> tuple[list[str], int]:
    """Return the labels of a legend in lines that fit ``width`` inches, and how many columns of them do."""
    room = int(width * LEGEND_CHARACTERS_PER_INCH)
    labels = [textwrap.fill(name, max(room - HANDLE, HANDLE), break_on_hyphens=False) for name in names]
    longest = max((len(line) for label in labels for line in label.splitlines()), default=0)
    return labels, max(1, room // (longest + HANDLE))
