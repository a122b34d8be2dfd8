"""The figures of an ``eval_report``. One run and many runs share the drawing: a run is a mean over one."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from r2po.analysis.align import MeanCurve, Series, mean_curve
from r2po.analysis.run_data import Floats, RunData
from r2po.analysis.style import (
    DPI,
    FONT_SIZE,
    FULL_WIDTH,
    NEUTRAL,
    SMALL_FONT_SIZE,
    STAND_IN,
    method_style,
    paper_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 40
"""Up to so many points a line has markers: a single point would be invisible without."""
CAPTION_CHARACTERS = 122
TITLE_CHARACTERS = 80


@dataclass(frozen=True)
class Panel:
    """The runs of one figure.

    Attributes:
        label: What they are, e.g. "R2PO on CartPole".
        runs: At least one.
    """

    label: str
    runs: Sequence[RunData]

    @property
    def is_single(self) -> bool:
        """Whether it is about one run rather than about an experiment."""
        return len(self.runs) == 1

    @property
    def colour(self) -> str:
        """Colour of the runs' method; that of an unknown one if they are of several."""
        methods = {run.method for run in self.runs}
        return method_style(methods.pop() if len(methods) == 1 else "several").colour


def training_curve(panel: Panel) -> dict[str, bytes]:
    """Draw accepted reward and best so far over the episodes spent; returns PNG and PDF by suffix."""
    with paper_style():
        figure, (axes,) = _new_figure(panel)
        _draw_rewards(axes, panel)
        _draw_target(axes, panel)
        _draw_heldout(axes, panel)
        axes.set_xlabel("total episodes (warm-up included)")
        axes.set_ylabel("reward (mean return)")
        axes.set_xlim(left=0)
        _whole_numbers(axes.xaxis)
        _legend_above(axes)
        return _finish(figure, _rewards_caption(panel), formats=("png", "pdf"))


def reward_distribution(panel: Panel) -> dict[str, bytes]:
    """Draw a box per iteration over the returns of the accepted candidates, pooled over the runs."""
    longest = max(run.num_iterations for run in panel.runs)
    pooled = [np.concatenate([run.returns[i] for run in panel.runs if i < run.num_iterations]) for i in range(longest)]
    with paper_style():
        figure, (axes,) = _new_figure(panel)
        _draw_boxes(axes, pooled, panel.colour)
        _draw_target(axes, panel)
        axes.set_xlabel("iteration")
        axes.set_ylabel("return")
        axes.use_sticky_edges = False
        axes.autoscale_view(scalex=False)
        _whole_numbers(axes.xaxis)
        _legend_above(axes)
        return _finish(figure, _boxes_caption(panel, pooled))


def api_time(panel: Panel) -> dict[str, bytes]:
    """Draw the time spent waiting for the model: per iteration, and summed up."""
    each = _over_iterations(panel, lambda run: run.llm_s)
    total = _over_iterations(panel, lambda run: run.llm_s.cumsum())
    unit, seconds = _time_unit(float(total.mean.max()))
    total = MeanCurve(total.grid, total.mean / seconds, total.std / seconds, total.count)
    with paper_style():
        figure, (left, right) = _new_figure(panel, columns=2)
        for axes, curve in ((left, each), (right, total)):
            _draw_mean(axes, curve, panel, label="")
            axes.set_xlabel("iteration")
            axes.set_ylim(bottom=0)
            _whole_numbers(axes.xaxis)
        left.set_ylabel("model time per iteration (s)")
        right.set_ylabel(f"model time so far ({unit})")
        return _finish(figure, f"Time spent waiting for the model. {_runs_caption(panel)}")


def _new_figure(panel: Panel, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(FULL_WIDTH, 3.4), layout="constrained")
    title = textwrap.fill(panel.label, TITLE_CHARACTERS)
    mark = f"\n[{STAND_IN}]" if any(run.stand_in for run in panel.runs) else ""
    figure.suptitle(title + mark, fontsize=FONT_SIZE)
    return figure, [figure.add_subplot(1, columns, number + 1) for number in range(columns)]


def _finish(figure: Figure, caption: str, formats: Sequence[str] = ("png",)) -> dict[str, bytes]:
    """Add the caption and save. The same data give the same bytes: no dates, no versions."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    caption = textwrap.fill(caption, CAPTION_CHARACTERS, break_on_hyphens=False)
    figure.supxlabel(caption, fontsize=SMALL_FONT_SIZE - 1, color="#404040")
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    }
    return {suffix: _save(figure, suffix, metadata[suffix]) for suffix in formats}


def _save(figure: Figure, suffix: str, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def _draw_rewards(axes: Axes, panel: Panel) -> None:
    accepted = mean_curve([Series(run.episodes, run.rewards, carried=run.complete) for run in panel.runs])
    best = mean_curve([Series(run.episodes, run.best_so_far, carried=run.complete) for run in panel.runs])
    _draw_mean(axes, accepted, panel, label="accepted candidate")
    axes.plot(
        best.grid,
        best.mean,
        color=NEUTRAL,
        linestyle=(0, (4, 1.5)),
        linewidth=1.3,
        drawstyle="steps-post",
        marker="_" if len(best.grid) == 1 else "",
        markersize=14,
        label="best so far",
        zorder=2.5,
    )


def _draw_mean(axes: Axes, curve: MeanCurve, panel: Panel, label: str) -> None:
    """Draw a mean over runs with its standard deviation; a single run is a thinner line without a band."""
    if not panel.is_single:
        low, high = curve.mean - curve.std, curve.mean + curve.std
        axes.fill_between(curve.grid, low, high, color=panel.colour, alpha=0.2, linewidth=0)
    axes.plot(
        curve.grid,
        curve.mean,
        color=panel.colour,
        linewidth=1.0 if panel.is_single else 1.6,
        marker="o" if len(curve.grid) <= FEW else "",
        markersize=3,
        label=label,
    )


def _draw_target(axes: Axes, panel: Panel) -> None:
    for target in sorted({run.target for run in panel.runs if run.target is not None}):
        axes.axhline(target, color=NEUTRAL, linestyle=":", linewidth=1.0, label=f"target {target:g}", zorder=1.5)


def _draw_heldout(axes: Axes, panel: Panel) -> None:
    heldout = [run.heldout.reward for run in panel.runs if run.heldout is not None]
    if not heldout:
        return
    axes.errorbar(
        [max(int(run.episodes[-1]) for run in panel.runs if run.heldout is not None)],
        [float(np.mean(heldout))],
        yerr=None if len(heldout) == 1 else [float(np.std(heldout, ddof=1))],
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


def _draw_boxes(axes: Axes, returns: Sequence[Floats], colour: str) -> None:
    """Draw quartile boxes; as collections, since hundreds of separate boxes take seconds."""
    low, first, median, third, high = np.array([np.quantile(each, (0, 0.25, 0.5, 0.75, 1)) for each in returns]).T
    iterations = np.arange(1, len(returns) + 1)
    means = [float(each.mean()) for each in returns]
    many = len(returns) > FEW
    axes.vlines(iterations, low, high, color=colour, linewidth=0.6 if many else 1.0, label="smallest to largest")
    axes.bar(
        iterations,
        third - first,
        bottom=first,
        width=0.6,
        facecolor="#d0d0d0",
        edgecolor=colour,
        linewidth=0.4 if many else 0.8,
        zorder=2,
        label="middle half",
    )
    axes.hlines(median, iterations - 0.4, iterations + 0.4, color=NEUTRAL, linewidth=1.2, zorder=3, label="median")
    axes.plot(
        iterations,
        means,
        linestyle="none",
        marker="o",
        markersize=1.8 if many else 3.5,
        color=NEUTRAL,
        markerfacecolor="white",
        markeredgewidth=0.5 if many else 0.8,
        zorder=4,
        label="mean (the reward)",
    )
    axes.set_xlim(0, len(returns) + 1)


def _over_iterations(panel: Panel, values: Callable[[RunData], Floats]) -> MeanCurve:
    # A run that has ended spends no more time: nothing is carried on.
    series = [(np.arange(1.0, run.num_iterations + 1), values(run)) for run in panel.runs]
    return mean_curve([Series(at, each, carried=False) for at, each in series])


def _time_unit(seconds: float) -> tuple[str, float]:
    """Return a unit that keeps the axis in readable numbers, and its length in seconds."""
    if seconds < 600:
        return "s", 1.0
    return ("min", 60.0) if seconds < 36_000 else ("h", 3600.0)


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def _legend_above(axes: Axes) -> None:
    """Put the legend between title and axes, where it covers nothing."""
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, columnspacing=1.6)


def _rewards_caption(panel: Panel) -> str:
    text = _runs_caption(panel)
    heldout = [run.heldout for run in panel.runs if run.heldout is not None]
    if heldout:
        counts = sorted({each.episodes for each in heldout})
        episodes = f"{' or '.join(map(str, counts))} fresh episodes"
        whose = "" if panel.is_single else f" (mean ± sample standard deviation of {len(heldout)} run{_s(heldout)})"
        text += f" Held-out: the best policy on {episodes}{whose}."
    return text


def _boxes_caption(panel: Panel, pooled: Sequence[Floats]) -> str:
    counts = sorted({len(each) for each in pooled})
    returns = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    whose = "" if panel.is_single else f", {len(panel.runs)} runs pooled"
    return f"The {returns} returns of the accepted candidate in each iteration{whose}. {_unfinished(panel)}".rstrip()


def _runs_caption(panel: Panel) -> str:
    run = panel.runs[0]
    if panel.is_single:
        text = f"One run ({run.name}, seed {run.seed})."
    else:
        text = f"Mean of {len(panel.runs)} runs; band: ± 1 sample standard deviation over runs."
    models = ", ".join(sorted({each.model for each in panel.runs}))
    protocols = ", ".join(sorted({each.protocol for each in panel.runs}))
    return f"{text} Model {models}, protocol {protocols}. {_unfinished(panel)}".rstrip()


def _unfinished(panel: Panel) -> str:
    unfinished = [run for run in panel.runs if not run.complete]
    if not unfinished:
        return ""
    rows = ", ".join(f"{run.name} ({run.progress})" for run in unfinished)
    end = "" if panel.is_single else f"; {'it counts' if len(unfinished) == 1 else 'they count'} up to there"
    return f"Unfinished: {rows}{end}."


def _s(items: Sequence[Any]) -> str:
    return "" if len(items) == 1 else "s"
