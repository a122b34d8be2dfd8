"""The reward curves of the paper: which methods stand in which panel, and what the caption says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, product

from r2po.analysis.logs.comparable import choose, cohorts
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.logs.names import environment_order
from r2po.analysis.logs.run_data import STAND_IN, drawable
from r2po.analysis.logs.sb3 import budget_notes
from r2po.analysis.output.curves import Curve, CurvePanel, distinct_styles
from r2po.analysis.paper.presets import Columns, columns_of, is_possible, tasks_of, told_apart
from r2po.errors import InputError
from r2po.rounding import first_largest, mean
from r2po.runlog.facts import GREY, TaskFacts

BEST_BY = "mean_reward"
"""Where a line stands for the best of several methods, that one has the largest mean of this."""


@dataclass(frozen=True)
class CurveFigure:
    """What one figure shows.

    Attributes:
        cohort: Which runs: model and protocol; None if no language model is involved.
        panels: One for each environment.
        caption: What its lines and bands are, how many runs there are, what is missing.
        environment: Key of the only environment that it shows, if environments stand apart; else empty.
    """

    cohort: Cohort | None
    panels: Sequence[CurvePanel]
    title: str
    caption: str
    environment: str = ""


def build_curves(
    preset: str, experiments: Sequence[ExperimentLogs], environments: Sequence[str] = (), *, apart: bool = False
) -> tuple[list[CurveFigure], list[str]]:
    """Return a figure for each model and protocol, and a line for each folder that is left out or odd.

    Its panels are the environments in their order, all that have runs if none is named. ``apart`` gives each
    environment with runs a figure of its own.

    Raises:
        InputError: There is nothing to draw.
    """
    chosen, lines = choose(told_apart(preset, experiments))
    columns = columns_of(preset, chosen)
    methods = {facts["name"] for column in columns.values() for facts in column}
    usable = [each for each in chosen if each.method in methods]
    lines += [f"{each.path}: no curve, its iterations are not logged" for each in usable if not drawable(each.runs)]
    usable = [each for each in usable if drawable(each.runs)]
    if not usable:
        raise InputError("nothing to draw: no run with iterations was found")
    keys = list(environments) or sorted({each.environment for each in usable}, key=environment_order)
    tasks = tasks_of(keys, usable)
    groups = [[task] for task in tasks] if apart else [tasks]
    figures = [_figure(preset, columns, *part, group) for part, group in product(cohorts(usable), groups)]
    if not apart:
        return figures, lines
    named = [replace(each, environment=group[0]["name"]) for each, group in zip(figures, cycle(groups), strict=False)]
    drawn = [each for each in named if each.panels[0].curves]
    there = {each.environment for each in drawn}
    return drawn, [*lines, *(f"{task['label']}: no runs, no figure" for task in tasks if task["name"] not in there)]


def _figure(
    preset: str,
    columns: Columns,
    cohort: Cohort | None,
    experiments: Sequence[ExperimentLogs],
    tasks: Sequence[TaskFacts],
) -> CurveFigure:
    panels, chosen = [], []
    missing: dict[str, list[str]] = {}
    wanted = [methods[0]["style"] if len(methods) == 1 else GREY for methods in columns.values()]
    styles = dict(zip(columns, distinct_styles(wanted), strict=True))
    for task in tasks:
        curves = []
        here = [each for each in experiments if each.environment == task["name"]]
        for column, methods in columns.items():
            names = [facts["name"] for facts in methods]
            best = _best([each for each in here if each.method in names])
            if best is None:
                if is_possible(methods, task):
                    missing.setdefault(column, []).append(task["label"])
                continue
            if len(names) > 1 or names == ["sb3"]:
                chosen.append(best.cell)
            curves.append(Curve(column, styles[column], drawable(best.runs)))
        panels.append(CurvePanel(task["label"], curves, task["optimum"]))
    title = "" if cohort is None else cohort.label.removesuffix(f" [{STAND_IN}]")
    mark = f"\n[{STAND_IN}]" if cohort is not None and cohort.stand_in else ""
    budgets = budget_notes(each.protocol for each in experiments if each.method == "sb3")
    sentences = (_what(panels), _best_ones(preset, chosen), *budgets, _missing(missing, len(tasks)))
    caption = " ".join(filter(None, sentences))
    return CurveFigure(cohort, panels, f"{title}{mark}", caption)


def _best(experiments: Sequence[ExperimentLogs]) -> ExperimentLogs | None:
    return first_largest(experiments, lambda each: mean(each.values(BEST_BY))) if experiments else None


def _what(panels: Iterable[CurvePanel]) -> str:
    counts: dict[int, list[str]] = {}
    for panel in panels:
        for curve in panel.curves:
            counts.setdefault(len(curve.runs), []).append(f"{curve.label} on {panel.title}")
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


def _missing(missing: Mapping[str, Sequence[str]], environments: int) -> str:
    """Name what has no runs; a method without any in one word."""
    names = [
        column if len(where) == environments else f"{column} on {', '.join(where)}" for column, where in missing.items()
    ]
    return f"No runs: {'; '.join(names)}." if names else ""
