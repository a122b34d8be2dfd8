"""Salience and edit patterns as figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from r2po.analysis.logs.built_in import method_order
from r2po.analysis.logs.run_data import MethodOnTask
from r2po.analysis.output.canvas import draw_interval, name_rows, sheet, span, whole_numbers
from r2po.analysis.output.style import FONT_SIZE, NEUTRAL, SMALL_FONT_SIZE
from r2po.analysis.salience.counts import DIRECTION_LABELS, Salience
from r2po.analysis.salience.edits import CATEGORIES, OTHER
from r2po.analysis.salience.returns import FEWEST_ROLLOUTS, Direction
from r2po.analysis.salience.revisions import Revision
from r2po.analysis.salience.signs import by_run
from r2po.analysis.statistics.clusters import mean_half_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.42
"""Inches per experiment."""
WIDEST = 1000.0
"""Odds ratios beyond it are shown as arrows: a few runs that differ give intervals over many powers of ten."""

FEWEST = 3
"""Iterations that a mark of ``changes_figure`` stands for, at least."""
FEWEST_RUNS = 3
"""Runs that they must come from to have an interval."""

_MARKS: dict[Direction, tuple[str, str, float]] = {
    "regression": ("#003c97", "o", -0.22),
    "improvement": ("#d98200", "^", 0.0),
    "no_change": ("#8c8c8c", "s", 0.22),
}
"""Colour, marker and place in the row of each direction."""

_COLOURS = ("#1f3b73", "#4f7cac", "#9ab8d3", "#d7e3ee", "#e8c27a")
"""Colours of patterns in their order; all others are hatched."""


def salience_figure(analyses: Sequence[Salience], title: str, caption: str) -> Figure:
    """Draw the sign's share by direction, and the odds ratio of regressions to improvements."""
    text = (
        f"Left: share of iterations with the sign: {_sign(analyses)} Right: its odds among regressions over "
        "improvements; 1: no relation; hollow: a count is 0; arrow: goes on. Lines: 95 % intervals over runs "
        f"(beta-binomial; Mantel-Haenszel). {_sizes(analyses)}. {caption}"
    )
    figure = sheet(title, text, 1.9 + ROW * max(len(analyses), 2))
    left, right = figure.subplots(1, 2, sharey=True)
    right.set_xscale("log")
    right.set_xlim(*_odds_limits(analyses))
    for row, each in enumerate(analyses):
        _draw_shares(left, row, each)
        _draw_odds(right, row, each)
    left.set_xlim(-0.03, 1.03)
    left.set_xlabel("share of iterations with the sign")
    right.axvline(1.0, color=NEUTRAL, linestyle=":", linewidth=1.0)
    right.set_xlabel("odds ratio to improvements")
    _plain_ticks(right)
    name_rows(left, _labels(analyses))
    for axes in (left, right):
        axes.grid(visible=False, axis="y")
    if any(map(has_shares, analyses)):
        _legend(left, [left], DIRECTION_LABELS.values(), loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return figure


def _sign(analyses: Sequence[Salience]) -> str:
    """Say what the sign is, and which rollouts it and the direction come from."""
    if any(each.split for each in analyses):
        return (
            "worst < median return of one half of the proposal's rollouts; the other half makes the direction. Odds "
            "are compared within fifths of the initial level."
        )
    return (
        "worst < median return and, where there is a critic, a mention of the worst rollout. The direction comes from "
        "the same rollouts, which alone can make odds ratios other than 1."
    )


def _legend(owner: Axes | Figure, shown: Sequence[Axes], order: Iterable[str], **place: Any) -> None:
    """Put up one legend for what is drawn in some axes, each label once."""
    drawn = {label: mark for axes in shown for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = [label for label in order if label in drawn]
    marks = [drawn[label] for label in labels]
    owner.legend(marks, labels, columnspacing=1.0, handlelength=1.0, handletextpad=0.3, **place)


def has_shares(analysis: Salience) -> bool:
    """Whether a row has anything to draw: it has not without the critic's replies, or with too few rollouts."""
    return not analysis.main.is_empty


def _draw_shares(axes: Axes, row: int, analysis: Salience) -> None:
    if not has_shares(analysis):
        _say(axes, row, _why_empty(analysis))
    for direction, (colour, marker, shift) in _MARKS.items():
        share = analysis.main.shares[direction]
        if share.value is None or share.interval is None:
            continue
        look = {"color": colour, "marker": marker, "markersize": 5, "markeredgewidth": 0.5}
        draw_interval(axes, row + shift, share.value, share.interval, 1.6, **look, label=DIRECTION_LABELS[direction])


def _why_empty(analysis: Salience) -> str:
    if analysis.split and analysis.split.proxy.is_empty:
        return f"fewer than {FEWEST_ROLLOUTS} rollouts on record"
    return "no replies in the logs"


def _say(axes: Axes, row: int, text: str) -> None:
    axes.text(
        0.5,
        row,
        text,
        transform=axes.get_yaxis_transform(),
        ha="center",
        va="center",
        fontsize=SMALL_FONT_SIZE - 1,
        color="#606060",
        backgroundcolor="white",
    )


def _draw_odds(axes: Axes, row: int, analysis: Salience) -> None:
    ratio = analysis.main.to_improvements
    if ratio is None:
        _say(axes, row, "nothing to compare")
        return
    style = analysis.facts["style"]
    colour = style["colour"]
    least, most = axes.get_xlim()
    # Hollow: one of its counts is 0 and the value rests on the correction.
    look = {"color": colour, "marker": style["marker"], "markersize": 5.5, "markeredgewidth": 0.6}
    look["markerfacecolor"] = "white" if ratio.corrected else colour
    draw_interval(axes, row, min(max(ratio.value, least), most), (ratio.low, ratio.high), 2.2, **look)
    for end, sign, is_beyond in ((least, "<", ratio.low < least), (most, ">", ratio.high > most)):
        if is_beyond:
            axes.plot([end], [row], color=colour, marker=sign, markersize=6, linestyle="none", clip_on=False)


def _odds_limits(analyses: Sequence[Salience]) -> tuple[float, float]:
    """Return what the axis shows: all intervals, but no more than ``WIDEST`` to either side."""
    ratios = [ratio for each in analyses if (ratio := each.main.to_improvements) is not None]
    low, high = min([0.5, *(each.low for each in ratios)]), max([2.0, *(each.high for each in ratios)])
    return max(low / 1.5, 1 / WIDEST), min(high * 1.5, WIDEST)


def _plain_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def edits_figure(revisions: Sequence[Sequence[Revision]], title: str, caption: str) -> Figure:
    """Draw the shares of edit patterns among regressions and among improvements."""
    shown = [found for found in revisions if any(each.edit for each in found)]
    text = f"Share of each pattern; n: iterations in that direction. {_totals(revisions)} {caption}"
    figure = sheet(title, text, 2.4 + ROW * max(len(shown), 2))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, direction in zip(panels, CATEGORIES, strict=True):
        _draw_patterns(axes, direction, shown)
    name_rows(panels[0], _labels([found[0] for found in shown]))
    return figure


def _draw_patterns(axes: Axes, direction: str, shown: Sequence[Sequence[Revision]]) -> None:
    members = [[each for each in found if each.edit and each.direction == direction] for found in shown]
    left = np.zeros(len(shown))
    for number, (key, label) in enumerate(CATEGORIES[direction].items()):
        shares = np.array([sum(each.category == key for each in found) / max(len(found), 1) for found in members])
        axes.barh(
            range(len(shown)),
            shares,
            left=left,
            height=0.6,
            color="#ffffff" if key == OTHER else _COLOURS[number],
            hatch="///" if key == OTHER else "",
            edgecolor="#404040",
            linewidth=0.5,
            label=label,
        )
        left += shares
    for row, found in enumerate(members):
        axes.text(1.02, row, f"{len(found)}", va="center", fontsize=7)
        if shown[row][0].limits is None:
            _say(axes, row, "no thresholds")
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel(f"share of {DIRECTION_LABELS[direction]} (n)")
    axes.grid(visible=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=1, labelspacing=0.25, handlelength=1.6)


def changes_figure(revisions: Sequence[Sequence[Revision]], title: str, caption: str) -> Figure:
    """Draw the change of reward over the size of the edit, a panel per environment."""
    environments: dict[str, list[Sequence[Revision]]] = {}
    methods = {found[0].method: found[0].facts["label"] for found in revisions if found}
    for found in revisions:
        if any(each.edit for each in found):
            environments.setdefault(found[0].task["label"], []).append(found)
    text = (
        "Mean change of the mean return over iterations with so many changed parameters, at least "
        f"{FEWEST} each; lines: 95 % intervals over runs (Student's t, with the spread between runs), where "
        f"{FEWEST_RUNS} or more have such iterations; marks moved sideways to stay apart. "
        f"{_totals(revisions)} {caption}"
    )
    columns = min(len(environments), 3) or 1
    rows = -(-len(environments) // columns) or 1
    height = 1.8 + 1.75 * rows
    # Lines are kept free below the title for the legend, which belongs to all panels.
    figure = sheet(title, text, height)
    figure.suptitle(f"{title}\n\n", fontsize=FONT_SIZE)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for number, (axes, (environment, members)) in enumerate(zip(panels, environments.items(), strict=False)):
        for place, found in enumerate(members):
            _draw_changes(axes, found, (place - (len(members) - 1) / 2) * 0.12)
        _finish_changes(axes, environment, is_last=number + columns >= len(environments))
    for axes in list(figure.axes)[len(environments) :]:
        axes.set_visible(False)
    figure.axes[0].set_ylabel("change of mean return")
    if any(axes.has_data() for axes in figure.axes):
        order = [methods[name] for name in sorted(methods, key=method_order)]
        below_title = (0.5, 1 - 0.22 / height)
        _legend(figure, figure.axes, order, loc="upper center", bbox_to_anchor=below_title, ncols=6)
    return figure


def _finish_changes(axes: Axes, label: str, *, is_last: bool) -> None:
    axes.set_title(label)
    if is_last:
        axes.set_xlabel("changed parameters")
    if not axes.has_data():
        text = f"fewer than {FEWEST} iterations\nof each size"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=SMALL_FONT_SIZE)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    axes.axhline(0.0, color=NEUTRAL, linestyle=":", linewidth=0.9)
    low, high = axes.get_xlim()
    axes.set_xlim(round(low) - 0.7, round(high) + 0.7)
    whole_numbers(axes.xaxis)


def _draw_changes(axes: Axes, found: Sequence[Revision], shift: float) -> None:
    by_size: dict[int, list[Revision]] = {}
    for each in found:
        if each.edit is not None:
            by_size.setdefault(each.edit.count, []).append(each)
    sizes = [size for size in sorted(by_size) if len(by_size[size]) >= FEWEST]
    if not sizes:
        return
    facts = found[0].facts
    style = facts["style"]
    axes.errorbar(
        [size + shift for size in sizes],
        [float(np.mean([each.delta for each in by_size[size]])) for size in sizes],
        yerr=[_half_width(by_size[size]) for size in sizes],
        color=style["colour"],
        marker=style["marker"],
        markersize=4,
        linestyle="none",
        elinewidth=1.0,
        capsize=2,
        label=facts["label"],
    )


def _half_width(members: Sequence[Revision]) -> float:
    """Return half the length of a line; nan for none, of so few runs that it would say nothing."""
    runs = [[each.delta for each in run] for run in by_run(members)]
    return mean_half_width(runs) if len(runs) >= FEWEST_RUNS else float("nan")


def _totals(revisions: Sequence[Sequence[Revision]]) -> str:
    return f"{span(len({each.run for each in found}) for found in revisions)} runs of each method and environment."


def _sizes(analyses: Sequence[Salience]) -> str:
    runs = sorted({each.runs for each in analyses})
    return f"{span(each.iterations for each in analyses)} iterations of {' or '.join(map(str, runs))} runs each"


def _labels(rows: Sequence[MethodOnTask]) -> list[str]:
    """Name each row by environment and method, without what all of them share, which the title tells."""
    environments, methods = {each.environment for each in rows}, {each.method for each in rows}
    named = []
    for each in rows:
        parts = [each.task["label"]] if len(environments) > 1 or len(methods) == 1 else []
        parts += [each.facts["label"]] if len(methods) > 1 else []
        named.append("\n".join(parts))
    return named
