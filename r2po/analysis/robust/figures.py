"""Robust statistics as figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from r2po.analysis.logs.built_in import BASELINES, OURS
from r2po.analysis.output.canvas import draw_interval, name_rows, sheet, span
from r2po.analysis.output.style import NEUTRAL, line_style
from r2po.analysis.robust.summary import BEST_SB3, Improvement, Robust, Summary
from r2po.analysis.robust.tables import AGGREGATE_LABELS, UNCORRECTED
from r2po.analysis.statistics.bootstrap import FEWEST_RUNS, ConfidenceInterval
from r2po.runlog.facts import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 5
"""Up to so many methods are drawn in one panel."""

ROW = 0.24
"""Inches per method."""


def aggregates_figure(robust: Robust, title: str, caption: str) -> Figure:
    """Draw each aggregate with its interval, a row per method."""
    shown = [each for each in robust.summaries if each.aggregates]
    text = f"{_scale(robust, shown)} {_lines(shown)} {caption}"
    figure = sheet(title, text, 1.5 + ROW * max(len(shown), 3))
    axes = figure.subplots(1, len(AGGREGATE_LABELS), sharey=True)
    for panel, (name, label) in zip(axes, AGGREGATE_LABELS.items(), strict=True):
        for row, each in enumerate(shown):
            _draw_interval(panel, row, each.aggregates[name], each.scores.style, is_few=each.is_few)
        better = "lower is better" if name == "optimality_gap" else "higher is better"
        panel.set_title(f"{label}\n({better})")
        panel.grid(visible=False, axis="y")
    name_rows(axes[0], [each.scores.label for each in shown])
    return figure


def improvement_figure(robust: Robust, title: str, caption: str) -> Figure:
    """Draw the probability of improvement against each method."""
    shown = [each for each in robust.improvements if each.probability is not None]
    text = (
        "Probability that a run of R2PO is better than one of the named method, averaged over the environments that "
        f"both have (their number in brackets), {_runs(shown)} each. {_lines(shown)} {caption}"
    )
    figure, axes = _against_each(shown, [each.probability for each in shown], title, text)
    axes.axvline(0.5, color=NEUTRAL, linestyle=":", linewidth=1.0)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("P(R2PO > method)")
    return figure


def difference_figure(robust: Robust, title: str, caption: str) -> Figure:
    """Draw the difference of IQM to each method."""
    shown = [each for each in robust.improvements if each.difference is not None]
    text = (
        "IQM of R2PO's normalised scores minus that of the named method's, over the environments that both have (their "
        f"number in brackets), each with the same weight; {_runs(shown)} each; score 0 is the random policy, 1 the "
        f"target. {_lines(shown)} {caption}"
    )
    figure, axes = _against_each(shown, [each.difference for each in shown], title, text)
    axes.axvline(0.0, color=NEUTRAL, linestyle=":", linewidth=1.0)
    axes.set_xlabel("difference of IQM: R2PO - method")
    return figure


def _against_each(
    shown: Sequence[Improvement], intervals: Sequence[ConfidenceInterval | None], title: str, text: str
) -> tuple[Figure, Axes]:
    """Start a figure with a row for each method."""
    text = f"{text} {UNCORRECTED}." if len(shown) > 1 else text
    figure = sheet(title, text, 1.5 + ROW * max(len(shown), 3))
    axes = figure.subplots()
    for row, (each, interval) in enumerate(zip(shown, intervals, strict=True)):
        assert interval is not None
        _draw_interval(axes, row, interval, each.other.style, is_few=each.is_few)
    axes.grid(visible=False, axis="y")
    name_rows(axes, [f"{each.other.label} ({len(each.environments)})" for each in shown])
    return figure, axes


def _runs(shown: Sequence[Summary | Improvement]) -> str:
    return f"n = {span(count for each in shown for count in each.runs)} runs"


def _lines(shown: Sequence[Summary | Improvement]) -> str:
    """Say what the lines are, and what a hollow mark is if there is one."""
    few = f" Hollow: fewer than {FEWEST_RUNS} runs of an environment, the interval is too narrow."
    return f"Lines: 95 % stratified bootstrap intervals.{few if any(each.is_few for each in shown) else ''}"


def profiles_figure(robust: Robust, title: str, caption: str) -> Figure:
    """Draw performance profiles with pointwise bands; many methods in two panels, R2PO in both."""
    shown = [each for each in robust.summaries if each.profile is not None]
    few = f", too narrow where an environment has fewer than {FEWEST_RUNS} runs"
    few = few if any(each.is_few for each in shown) else ""
    text = (
        f"{_scale(robust, shown)} Share of runs above each score, averaged over environments. Bands: 95 % pointwise "
        f"stratified bootstrap intervals{few}. {caption}"
    )
    figure = sheet(title, text, 3.8)
    # Of the algorithms of SB3, which look the same, only the best one of each environment.
    shown = [each for each in shown if each.scores.method != "sb3" or each.scores.label == BEST_SB3]
    groups = [shown]
    if len(shown) > MOST_LINES:
        baselines = [each for each in shown if each.scores.method in (*BASELINES, OURS)]
        groups = [baselines, [each for each in shown if each not in baselines or each.scores.method == OURS]]
    panels = figure.subplots(1, len(groups), sharex=True, sharey=True, squeeze=False)[0]
    for axes, group in zip(panels, groups, strict=True):
        _draw_profiles(axes, group, columns=3 if len(groups) == 1 else 2)
    panels[0].set_ylabel("share of runs with score > τ")
    return figure


def _draw_profiles(axes: Axes, group: Sequence[Summary], columns: int) -> None:
    for each in group:
        assert each.profile is not None
        style, taus = each.scores.style, each.profile.thresholds
        axes.fill_between(taus, each.profile.low, each.profile.high, color=style["colour"], alpha=0.15, linewidth=0)
        axes.plot(
            taus,
            each.profile.share,
            color=style["colour"],
            linestyle=line_style(style),
            marker=style["marker"],
            markersize=3.5,
            markevery=(len(taus) // 20, len(taus) // 8),
            label=each.scores.label,
        )
    axes.axvline(1.0, color=NEUTRAL, linestyle=":", linewidth=1.0)
    axes.set_xlabel("normalised score τ")
    axes.set_ylim(-0.02, 1.02)
    axes.margins(x=0)
    if group:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, columnspacing=1.0)


def _scale(robust: Robust, shown: Sequence[Summary]) -> str:
    count = len(robust.environments)
    environments = f"{count} environment{'' if count == 1 else 's'}"
    left = [each.scores.label for each in robust.summaries if each not in shown]
    missing = f" Not shown, since environments are missing: {', '.join(left)}." if left else ""
    about = f"{_runs(shown)} each; score 0 is the random policy, 1 the target"
    return f"Over {environments} of equal weight, {about}.{missing}"


def _draw_interval(axes: Axes, row: int, interval: ConfidenceInterval, style: Style, *, is_few: bool) -> None:
    look = {"color": style["colour"], "marker": style["marker"], "markersize": 5.5, "markeredgewidth": 0.6}
    look["markerfacecolor"] = "white" if is_few else style["colour"]
    draw_interval(axes, row, interval.value, (interval.low, interval.high), 2.4, **look)
