"""The reward curves of the paper: which methods stand in which panel, and what the caption says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, product

from r2po.analysis.logs.comparable import cells_phrase, choose, cohorts, conditions, named
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.logs.fresh import basis_of, incumbent_basis, runs_of, settled
from r2po.analysis.logs.names import environment_order
from r2po.analysis.logs.run_data import STAND_IN, Floats, RunData, drawable
from r2po.analysis.logs.sb3 import budget_notes
from r2po.analysis.logs.spending import UNITS, asks_model, incumbent, spending_of
from r2po.analysis.output.curves import CurvePanel, distinct_styles, drops_phrase
from r2po.analysis.output.lines import Curve
from r2po.analysis.output.scores import few_mark, few_note
from r2po.analysis.paper.presets import Columns, columns_of, is_possible, tasks_of, told_apart
from r2po.analysis.statistics.align import Series
from r2po.errors import InputError
from r2po.rounding import first_largest, mean
from r2po.runlog.facts import GREY, MethodFacts, Style, TaskFacts

FREE = ("calls", "tokens", "money")
"""What methods that ask no model do not spend."""

BEST_BY = "mean_reward"
"""Where a line stands for the best of several methods, that one has the largest mean of this."""


@dataclass(frozen=True)
class Plot:
    """What is drawn over what.

    Attributes:
        axis: What is spent, one of ``spending.UNITS``.
        incumbent: Whether lines show the policy that was best so far, and not the accepted one.
        reevaluated: Whether the incumbent's value is that on fresh episodes, which all runs then must have.
        unbroken: Whether lines go on where runs end, as in the published figures.
        value: What that value is, in words.
    """

    axis: str = "episodes"
    incumbent: bool = False
    reevaluated: bool = False
    unbroken: bool = False
    value: str = ""

    def series(self, runs: Sequence[RunData]) -> tuple[list[RunData], list[Series], list[str]]:
        """Return the runs whose spending is on record, the line of each, and why others have none."""
        spent = spending_of(runs, self.axis)
        known = [(run, each.at) for run, each in zip(runs, spent, strict=True) if each.at is not None]
        lines = [Series(at, self._values(run), carried=run.complete) for run, at in known]
        problems = dict.fromkeys(each.problem for each in spent if each.at is None)
        return [run for run, _ in known], lines, list(problems)

    def _values(self, run: RunData) -> Floats:
        return incumbent(run, reevaluated=self.reevaluated) if self.incumbent else run.series

    @property
    def y_label(self) -> str:
        """What the vertical axis is called."""
        return "incumbent" if self.incumbent else "reward"

    @property
    def about(self) -> str:
        """Say what lines show, over what."""
        over = "all episodes spent" if self.axis == "episodes" else UNITS[self.axis]
        spent = f"{over}, warm-up included" if self.axis in ("episodes", "steps") else over
        if not self.incumbent:
            return f"Reward of the accepted candidate over {spent}"
        return f"Incumbent, the policy with the best logged reward so far ({self.value}), over {spent}"


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
    preset: str,
    experiments: Sequence[ExperimentLogs],
    environments: Sequence[str] = (),
    *,
    methods: Sequence[MethodFacts] = (),
    apart: bool = False,
    as_published: bool = False,
    plot: Plot | None = None,
) -> tuple[list[CurveFigure], list[str]]:
    """Return a figure for each model and protocol, and a line for each folder that is left out or odd.

    Its lines are those of the preset, or of the ``methods``. Its panels are the environments in their order, all that
    have runs if none is named. ``apart`` gives each environment with runs a figure of its own. ``as_published`` draws
    the logged rewards, and lines on where runs end. Of the incumbent, ``plot`` else shows the reward on fresh episodes
    where all runs have it.

    Raises:
        InputError: There is nothing to draw.
    """
    chosen, lines = choose(told_apart(preset, experiments))
    columns = columns_of(preset, chosen, methods)
    shown = {facts["name"] for column in columns.values() for facts in column}
    usable = [each for each in chosen if each.method in shown]
    lines += [f"{each.path}: no curve, its iterations are not logged" for each in usable if not drawable(each.runs)]
    usable = [each for each in usable if drawable(each.runs)]
    if not usable:
        raise InputError("nothing to draw: no run with iterations was found")
    basis = basis_of(runs_of(usable), as_published=as_published)
    usable = settled(usable, basis)
    keys = list(environments) or sorted({each.environment for each in usable}, key=environment_order)
    tasks = tasks_of(keys, usable)
    groups = [[task] for task in tasks] if apart else [tasks]
    plot = replace(plot or Plot(), unbroken=as_published)
    if plot.incumbent:
        of_incumbents = incumbent_basis(runs_of(usable), as_published=as_published)
        plot = replace(plot, reevaluated=of_incumbents.fresh, value=of_incumbents.note)
        lines += filter(None, [of_incumbents.warning])
    else:
        lines += basis.warnings(BEST_BY)
    made = [_figure(columns, *part, group, plot) for part, group in product(cohorts(usable), groups)]
    told = [] if plot.incumbent else basis.notes(BEST_BY)
    figures = [replace(each, caption=" ".join([each.caption, *told])) for each in made]
    if not apart:
        return figures, lines
    named = [replace(each, environment=group[0]["name"]) for each, group in zip(figures, cycle(groups), strict=False)]
    drawn = [each for each in named if each.panels[0].curves]
    there = {each.environment for each in drawn}
    return drawn, [*lines, *(f"{task['label']}: no runs, no figure" for task in tasks if task["name"] not in there)]


def _figure(
    columns: Columns,
    cohort: Cohort | None,
    experiments: Sequence[ExperimentLogs],
    tasks: Sequence[TaskFacts],
    plot: Plot,
) -> CurveFigure:
    panels, drawn = [], []
    chosen: dict[str, list[str]] = {}
    missing: dict[str, list[str]] = {}
    lacking: list[str] = []
    styles = _styles(columns)
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
            runs, series, problems = plot.series(drawable(best.runs))
            lacking += [
                f"{len(best.runs) - len(runs)} of {len(best.runs)} runs of {best.cell} ({'; '.join(problems)})"
            ] * bool(problems)
            if not runs:
                continue
            if len(names) > 1 or names == ["sb3"]:
                chosen.setdefault(column, []).append(best.cell)
            drawn.append(best)
            free = plot.axis in FREE and not asks_model(runs[0])
            label = f"{column} (no {plot.axis})" if free else column
            curves.append(Curve(label, styles[column], runs, series, plot.unbroken))
        panels.append(CurvePanel(task["label"], curves, task["optimum"]))
    title = "" if cohort is None else cohort.label.removesuffix(f" [{STAND_IN}]")
    mark = f"\n[{STAND_IN}]" if cohort is not None and cohort.stand_in else ""
    budgets = budget_notes(each.protocol for each in experiments if each.method == "sb3")
    sentences = (
        _what(panels, plot),
        drops_phrase(panels),
        *_best_ones(chosen),
        *budgets,
        *conditions(named(drawn)),
        f"No {plot.axis} on record: {'; '.join(lacking)}." if lacking else "",
        _missing(missing, len(tasks)),
        *few_note(len(curve.runs) for panel in panels for curve in panel.curves),
    )
    caption = " ".join(filter(None, sentences))
    return CurveFigure(cohort, panels, f"{title}{mark}", caption)


def _styles(columns: Columns) -> dict[str, Style]:
    wanted = [methods[0]["style"] if len(methods) == 1 else GREY for methods in columns.values()]
    return dict(zip(columns, distinct_styles(wanted), strict=True))


def _best(experiments: Sequence[ExperimentLogs]) -> ExperimentLogs | None:
    return first_largest(experiments, lambda each: mean(each.values(BEST_BY))) if experiments else None


def _what(panels: Sequence[CurvePanel], plot: Plot) -> str:
    counts: dict[int, list[tuple[str, str]]] = {}
    for panel in panels:
        for curve in panel.curves:
            counts.setdefault(len(curve.runs), []).append((curve.label, panel.title))
    usual = max(counts, key=lambda count: len(counts[count]), default=0)
    others = [
        f"n = {count}{few_mark(count)} for {cells_phrase(cells)}"
        for count, cells in sorted(counts.items())
        if count != usual
    ]
    odd = f" ({'; '.join(others)})" if others else ""
    levels = any(curve.is_free for panel in panels for curve in panel.curves)
    free = " Level lines: what methods that ask no model reach at their end, for none of it." if levels else ""
    return (
        f"{plot.about}; mean of n = {usual} runs{few_mark(usual)}"
        f"{odd} on a common grid. Band: ± 1 sample standard deviation over runs.{free}"
    )


def _best_ones(chosen: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which method stands in each column that stands for several."""
    return [f"{column} is the one with the best mean reward: {', '.join(cells)}." for column, cells in chosen.items()]


def _missing(missing: Mapping[str, Sequence[str]], environments: int) -> str:
    """Name what has no runs; a method without any in one word."""
    names = [
        column if len(where) == environments else f"{column} on {', '.join(where)}" for column, where in missing.items()
    ]
    return f"No runs: {'; '.join(names)}." if names else ""
