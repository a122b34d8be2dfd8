"""The figures of an ``eval_report``. One run and many runs share the drawing: a run is a mean over one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from r2po.analysis.logs.revisions import proposal_rewards
from r2po.analysis.logs.run_data import Floats, Heldout, RunData
from r2po.analysis.output.canvas import legend_above, new_figure, whole_numbers
from r2po.analysis.output.lines import draw_rest
from r2po.analysis.output.panel import Panel, returns_caption, rewards_caption, runs_caption
from r2po.analysis.output.style import NEUTRAL
from r2po.analysis.statistics.align import MeanCurve, Series, mean_curve
from r2po.rounding import mean, sample_std

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 40
"""Up to so many points a line has markers: a single point would be invisible without."""

PROPOSALS = "Proposals: their logged rewards, before they were revised."
"""Nothing was chosen by these rewards: they are not biased, unlike those of accepted candidates."""


def training_curve(panel: Panel) -> Figure:
    """Draw accepted reward and best so far over the episodes spent, and the held-out reward at the end."""
    proposals = [each for run in panel.runs if (each := _proposals(run)) is not None]
    caption = f"{rewards_caption(panel)} {PROPOSALS}" if proposals else rewards_caption(panel)
    figure, (axes,) = new_figure(panel, caption)
    _draw_rewards(axes, panel)
    _draw_proposals(axes, proposals, panel)
    _draw_target(axes, panel)
    _draw_heldout(axes, panel)
    axes.set(xlabel="total episodes (warm-up included)", ylabel="reward (mean return)")
    axes.set_xlim(left=0)
    whole_numbers(axes.xaxis)
    legend_above(axes)
    return figure


def success_curve(panel: Panel) -> Figure:
    """Draw the success rate of the accepted candidates over the episodes spent, and the held-out one at the end."""
    told = [(run, run.successes) for run in panel.runs if run.successes is not None]
    figure, (axes,) = new_figure(panel, f"Fraction of episodes that succeeded. {rewards_caption(panel)}")
    curve = mean_curve([Series(run.episodes, rates, carried=run.complete) for run, rates in told])
    _draw_mean(axes, curve, panel, label="accepted candidate")
    _draw_heldout(axes, panel, lambda heldout: heldout.success)
    axes.set(xlabel="total episodes (warm-up included)", ylabel="success rate", ylim=(-0.03, 1.03))
    axes.set_xlim(left=0)
    whole_numbers(axes.xaxis)
    legend_above(axes)
    return figure


def tells_success(panel: Panel) -> bool:
    """Whether any run has success rates."""
    return any(run.successes is not None for run in panel.runs)


def reward_distribution(panel: Panel) -> Figure:
    """Draw a box per iteration over the returns of the accepted candidates, pooled over the runs.

    Of many iterations, a box is for several that follow each other: hundreds of boxes could not be told apart.
    """
    pooled = _pool(panel)
    last = max(int(run.numbers[-1]) for run in panel.runs)
    width = _group_width(last)
    groups = _grouped(pooled, width)
    caption = returns_caption(panel, [len(returns) for returns in pooled.values()], width)
    figure, (axes,) = new_figure(panel, caption)
    _draw_boxes(axes, np.array(list(groups)), list(groups.values()), panel.colour, width)
    _draw_target(axes, panel)
    axes.set(xlabel="iteration", ylabel="return", xlim=(0, last + 1))
    axes.autoscale_view(scalex=False)
    whole_numbers(axes.xaxis)
    legend_above(axes)
    return figure


def api_time(panel: Panel) -> Figure:
    """Draw the time spent waiting for the model: per iteration, and summed up."""
    each = _over_iterations(panel, lambda run: run.llm_s)
    total = _over_iterations(panel, lambda run: run.llm_s.cumsum())
    unit, seconds = _time_unit(float(total.mean.max()))
    total = MeanCurve(total.grid, total.mean / seconds, total.std / seconds, total.count)
    figure, (left, right) = new_figure(panel, f"Time spent waiting for the model. {runs_caption(panel)}", columns=2)
    for axes, curve in ((left, each), (right, total)):
        _draw_mean(axes, curve, panel, label="")
        axes.set_xlabel("iteration")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        whole_numbers(axes.xaxis)
    left.set_ylabel("model time per iteration (s)")
    right.set_ylabel(f"model time so far ({unit})")
    return figure


def has_returns(panel: Panel) -> bool:
    """Whether the logs hold what a distribution of returns is drawn from."""
    return any(returns is not None for run in panel.runs for returns in run.returns)


def _pool(panel: Panel) -> dict[int, Floats]:
    """Return the returns of the accepted candidates of all runs, by number of the iteration."""
    groups: dict[int, list[Floats]] = {}
    for run in panel.runs:
        for number, returns in zip(run.numbers, run.returns, strict=True):
            if returns is not None:
                groups.setdefault(int(number), []).append(returns)
    return {number: np.concatenate(groups[number]) for number in sorted(groups)}


def _group_width(last: int) -> int:
    """Return how many iterations share a box, in steps of 1, 2 or 5 times a power of ten."""
    width, steps = 1, cycle((2.0, 2.5, 2.0))
    while width * FEW < last:
        width = int(width * next(steps))
    return width


def _grouped(pooled: dict[int, Floats], width: int) -> dict[float, Floats]:
    """Return the returns of each ``width`` iterations that follow each other, by the middle of their numbers."""
    groups: dict[float, list[Floats]] = {}
    for number, returns in pooled.items():
        first = (number - 1) // width * width + 1
        groups.setdefault(first + (width - 1) / 2, []).append(returns)
    return {middle: np.concatenate(members) for middle, members in groups.items()}


def _proposals(run: RunData) -> Series | None:
    """Return the mean returns of the proposals that a critic revised; None if the run has none."""
    rewards = proposal_rewards(run)
    if rewards is None:
        return None
    known = np.isfinite(rewards)
    return Series(run.episodes[known], rewards[known], carried=run.complete)


def _draw_proposals(axes: Axes, proposals: Sequence[Series], panel: Panel) -> None:
    """Draw proposals behind all else: those of a single run as points, the mean over runs as a line."""
    if not proposals:
        return
    first, *later = mean_curve(proposals).stretches
    faint: dict[str, Any] = {"color": panel.colour, "alpha": 0.4, "zorder": 1.8}
    named = {**faint, "label": "proposal"}
    if panel.is_single:
        axes.plot(first.grid, first.mean, linestyle="none", marker="o", markersize=2.5, markeredgewidth=0, **named)
    else:
        axes.plot(first.grid, first.mean, linewidth=1.0, marker="o" if len(first.grid) == 1 else "", **named)
    for part in later:  # thin like what the other lines go on to, whose numbers stand at the accepted candidates
        axes.plot(part.grid, part.mean, linewidth=0.6, marker="." if len(part.grid) == 1 else "", markersize=3, **faint)


def _draw_rewards(axes: Axes, panel: Panel) -> None:
    accepted = mean_curve([Series(run.episodes, run.series, carried=run.complete) for run in panel.runs])
    best = mean_curve([Series(run.episodes, run.best_so_far, carried=run.complete) for run in panel.runs])
    _draw_mean(axes, accepted, panel, label="accepted candidate")
    first, *later = best.stretches
    axes.plot(
        first.grid,
        first.mean,
        color=NEUTRAL,
        linestyle=(0, (4, 1.5)),
        linewidth=1.3,
        drawstyle="steps-post",
        marker="_" if len(first.grid) == 1 else "",
        markersize=14,
        label="best so far",
        zorder=2.5,
    )
    for part in later:
        draw_rest(axes, part, NEUTRAL, steps=True, named=False)  # the number stands at the other line


def _draw_mean(axes: Axes, curve: MeanCurve, panel: Panel, label: str) -> None:
    """Draw a mean over runs with its standard deviation; a single run is a thinner line without a band.

    Line and band end with the first run. The mean of those that go on is of another sample, and stands apart.
    """
    first, *later = curve.stretches
    if not panel.is_single:
        low, high = first.mean - first.std, first.mean + first.std
        axes.fill_between(first.grid, low, high, color=panel.colour, alpha=0.2, linewidth=0)
    axes.plot(
        first.grid,
        first.mean,
        color=panel.colour,
        linewidth=1.0 if panel.is_single else 1.6,
        marker="o" if len(first.grid) <= FEW else "",
        markersize=3,
        label=label,
    )
    for part in later:
        draw_rest(axes, part, panel.colour)


def _draw_target(axes: Axes, panel: Panel) -> None:
    for target in sorted({run.target for run in panel.runs if run.target is not None}):
        axes.axhline(target, color=NEUTRAL, linestyle=":", linewidth=1.0, label=f"target {target:g}", zorder=1.5)


def _draw_heldout(axes: Axes, panel: Panel, of: Callable[[Heldout], float | None] = lambda each: each.reward) -> None:
    found = [of(run.heldout) for run in panel.runs if run.heldout is not None]
    heldout = [value for value in found if value is not None]
    if not heldout:
        return
    axes.errorbar(
        [max(run.spent.episodes for run in panel.runs if run.heldout is not None)],
        [mean(heldout)],
        yerr=None if len(heldout) == 1 else [sample_std(heldout)],
        color=NEUTRAL,
        marker="D",
        markersize=6,
        markerfacecolor="white",
        markeredgewidth=1.2,
        linestyle="none",
        capsize=3,
        elinewidth=1.0,
        label="best policy, held-out",
        zorder=4,
    )


def _draw_boxes(axes: Axes, iterations: Floats, returns: Sequence[Floats], colour: str, width: int) -> None:
    """Draw quartile boxes, each ``width`` iterations wide; as collections, since separate boxes take long."""
    low, first, median, third, high = _quartiles(returns)
    means = [float(each.mean()) for each in returns]
    axes.vlines(iterations, low, high, color=colour, linewidth=1.0, label="range")
    _draw_middle_halves(axes, iterations, first, third, 0.3 * width, edgecolor=colour, linewidth=0.8)
    axes.hlines(
        median,
        iterations - 0.4 * width,
        iterations + 0.4 * width,
        color=NEUTRAL,
        linewidth=1.2,
        zorder=3,
        label="median",
    )
    axes.plot(
        iterations,
        means,
        linestyle="none",
        marker="o",
        markersize=3.5,
        color=NEUTRAL,
        markerfacecolor="white",
        markeredgewidth=0.8,
        zorder=4,
        label="mean",
    )


def _draw_middle_halves(axes: Axes, at: Floats, low: Floats, high: Floats, half: float, **style: Any) -> None:
    from matplotlib.collections import PolyCollection

    left, right = at - half, at + half
    corners = np.stack([left, low, right, low, right, high, left, high], axis=1).reshape(-1, 4, 2)
    boxes = PolyCollection(list(corners), facecolor="#d0d0d0", zorder=2, label="middle half", **style)
    axes.add_collection(boxes)


def _quartiles(returns: Sequence[Floats]) -> Floats:
    """Return (5, n) the quartiles of n samples, from their minimum to their maximum."""
    at = (0, 0.25, 0.5, 0.75, 1)
    if len({len(each) for each in returns}) == 1:
        quartiles: Floats = np.quantile(np.stack(returns), at, axis=1)
        return quartiles
    return np.array([np.quantile(each, at) for each in returns]).T


def _over_iterations(panel: Panel, values: Callable[[RunData], Floats]) -> MeanCurve:
    # A run that has ended spends no more time: nothing is carried on.
    return mean_curve([Series(1 + np.arange(run.num_iterations), values(run), carried=False) for run in panel.runs])


def _time_unit(seconds: float) -> tuple[str, float]:
    """Return a unit that keeps the axis in readable numbers, and its length in seconds."""
    if seconds < 600:
        return "s", 1.0
    return ("min", 60.0) if seconds < 36_000 else ("h", 3600.0)
