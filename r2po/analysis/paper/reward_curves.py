"""The reward curves of the paper: which methods stand in which panel, and what the caption says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from r2po.analysis.logs.experiments import Cohort, ExperimentLogs, choose, cohorts
from r2po.analysis.logs.names import environment_label, environment_order
from r2po.analysis.logs.sb3 import budget_notes
from r2po.analysis.output.style import STAND_IN, method_style
from r2po.analysis.paper.curves import Curve, CurvePanel
from r2po.analysis.paper.results_tables import PRESETS, is_possible
from r2po.errors import InputError
from r2po.tasks import TASKS

BEST_BY = "mean_reward"
"""Where a line stands for the best of several methods, that one has the largest mean of this."""


@dataclass(frozen=True)
class CurveFigure:
    """What one figure shows.

    Attributes:
        cohort: Which runs: model and protocol; None if no language model is involved.
        panels: One for each environment.
        title: Its heading.
        caption: What its lines and bands are, how many runs there are, what is missing.
    """

    cohort: Cohort | None
    panels: Sequence[CurvePanel]
    title: str
    caption: str


def build_curves(
    preset: str, experiments: Sequence[ExperimentLogs], environments: Sequence[str] = ()
) -> tuple[list[CurveFigure], list[str]]:
    """Return a figure for each model and protocol, and a line for each folder that is left out or odd.

    Args:
        preset: Key of ``PRESETS``.
        experiments: What was found.
        environments: Panels in their order; all that have runs if empty.

    Raises:
        InputError: There is nothing to draw.
    """
    chosen, lines = choose(experiments)
    methods = {method for names in PRESETS[preset].values() for method in names}
    usable = [each for each in chosen if each.method in methods]
    lines += [f"{each.path}: no curve, its iterations are not logged" for each in usable if not _drawable(each)]
    usable = [each for each in usable if _drawable(each)]
    if not usable:
        raise InputError("nothing to draw: no run with iterations was found")
    keys = list(environments) or sorted({each.environment for each in usable}, key=environment_order)
    return [_figure(preset, cohort, part, keys) for cohort, part in cohorts(usable)], lines


def _figure(
    preset: str, cohort: Cohort | None, experiments: Sequence[ExperimentLogs], environments: Sequence[str]
) -> CurveFigure:
    panels, chosen, missing = [], [], []
    for key in environments:
        curves = []
        for column, methods in PRESETS[preset].items():
            best = _best([each for each in experiments if each.environment == key and each.method in methods])
            if best is None:
                if is_possible(methods, key):
                    missing.append(f"{column} on {environment_label(key)}")
                continue
            if len(methods) > 1 or methods == ("sb3",):
                chosen.append(f"{best.label} on {environment_label(key)}")
            style = method_style(methods[0]) if len(methods) == 1 else replace(method_style(""), label=column)
            curves.append(Curve(column, style, best.runs))
        panels.append(CurvePanel(environment_label(key), curves, TASKS[key].optimum if key in TASKS else None))
    title = "" if cohort is None else cohort.label.removesuffix(f" [{STAND_IN}]")
    mark = f"\n[{STAND_IN}]" if cohort is not None and cohort.stand_in else ""
    budgets = budget_notes(each.protocol for each in experiments if each.method == "sb3")
    sentences = (_what(panels), _best_ones(preset, chosen), *budgets, _missing(missing, len(environments)))
    caption = " ".join(filter(None, sentences))
    return CurveFigure(cohort, panels, f"{title}{mark}", caption)


def _drawable(experiment: ExperimentLogs) -> bool:
    return any(run.num_iterations for run in experiment.runs)


def _best(experiments: Sequence[ExperimentLogs]) -> ExperimentLogs | None:
    def mean(experiment: ExperimentLogs) -> float:
        values = experiment.values(BEST_BY)
        return sum(values) / len(values)

    return max(experiments, key=mean, default=None)


def _what(panels: Iterable[CurvePanel]) -> str:
    counts: dict[int, list[str]] = {}
    for panel in panels:
        for curve in panel.curves:
            counts.setdefault(len(curve.drawn), []).append(f"{curve.label} on {panel.title}")
    usual = max(counts, key=lambda count: len(counts[count]), default=0)
    others = [f"n = {count} for {', '.join(names)}" for count, names in sorted(counts.items()) if count != usual]
    odd = f" ({'; '.join(others)})" if others else ""
    return (
        f"Reward of the accepted candidate over all episodes spent, warm-up included; mean of n = {usual} runs"
        f"{odd} on a common grid. Band: ± 1 sample standard deviation over runs."
    )


def _best_ones(preset: str, chosen: Sequence[str]) -> str:
    if not chosen:
        return ""
    what = "SB3" if preset == "core" else "BestBaseline"
    return f"{what} is the one with the best mean reward: {', '.join(chosen)}."


def _missing(missing: Sequence[str], environments: int) -> str:
    """Name what has no runs; a method without any in one word."""
    by_column: dict[str, list[str]] = {}
    for text in missing:
        column, _, environment = text.partition(" on ")
        by_column.setdefault(column, []).append(environment)
    names = [
        column if len(where) == environments else f"{column} on {', '.join(where)}"
        for column, where in by_column.items()
    ]
    return f"No runs: {'; '.join(names)}." if names else ""
