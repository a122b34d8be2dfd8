"""Tables at the same budget: the incumbent there, its mean up to there, and what a target takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from r2po.analysis.logs.comparable import about_runs, cells_phrase, choose, cohorts, named, other_protocols
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.logs.fresh import incumbent_basis, runs_of
from r2po.analysis.logs.names import environment_order
from r2po.analysis.logs.sb3 import budget_notes
from r2po.analysis.output.lines import amount
from r2po.analysis.output.scores import Score, few_mark, few_note, figures_of, score_of
from r2po.analysis.output.tables import Cell, Table
from r2po.analysis.paper.budget import Question, Spender, by_method, common_budget, spenders
from r2po.analysis.paper.presets import BEST, Columns, columns_of, task_cell, tasks_of, told_apart
from r2po.errors import InputError
from r2po.rounding import first_largest, mean
from r2po.runlog.facts import MethodFacts, TaskFacts

AT, AREA, TARGET = "at_budget", "area", "to_target"
"""Ends of the files' names."""


@dataclass(frozen=True)
class _Row:
    """One environment of one cohort: who stands in each column."""

    task: TaskFacts
    cohort: Cohort | None
    budget: float | None
    columns: Mapping[str, Spender]


def build_budget_tables(
    preset: str,
    experiments: Sequence[ExperimentLogs],
    question: Question,
    environments: Sequence[str] = (),
    *,
    methods: Sequence[MethodFacts] = (),
    as_published: bool = False,
    parallel: bool = False,
) -> tuple[dict[str, Table], list[str]]:
    """Return the tables of a preset by the ends of their files' names, and a line for what is left out or odd.

    Args:
        preset: Key of ``PRESETS``; ``CHOSEN`` with methods.
        experiments: What was found.
        question: Unit, budget and target.
        environments: Rows; all that have runs if empty.
        methods: Columns; those of the preset if empty.
        as_published: Whether values are logged rewards even where all runs have been re-evaluated.
        parallel: Read calls on all cores.

    Raises:
        InputError: There is no run with iterations.
    """
    chosen, lines = choose(told_apart(preset, experiments))
    columns = columns_of(preset, chosen, methods)
    shown = {facts["name"] for column in columns.values() for facts in column}
    chosen = [each for each in chosen if each.method in shown and any(run.num_iterations for run in each.runs)]
    if not chosen:
        raise InputError("nothing to compare: no run with iterations was found")
    basis = incumbent_basis(runs_of(chosen), as_published=as_published)
    keys = environments or sorted({each.environment for each in chosen}, key=environment_order)
    parts = cohorts(chosen)
    rows, notes, counts = [], [], []
    for cohort, part in parts:
        found = spenders(part, question.unit, reevaluated=basis.fresh, parallel=parallel)
        own = [_row(task, cohort, found, columns, question) for task in tasks_of(keys, part)]
        rows += own
        notes += _about(cohort, part, found, question.unit, several=len(parts) > 1)
        counts.append(_counts(cohort, own))
    few = few_note(len(each.steps) for row in rows for each in row.columns.values() if not each.is_free)
    few_all = few_note(len(each.steps) for row in rows for each in row.columns.values())
    notes = [f"Incumbent: the policy with the best logged reward so far; its value is {basis.note}.", *notes]
    several = len(parts) > 1
    return {
        AT: _values_table(preset, columns, rows, question, [*counts, *notes, *few_all], several=several),
        AREA: _area_table(preset, columns, rows, question, [*counts, *notes, *few], several=several),
        TARGET: _target_table(preset, columns, rows, question, [*notes, *few], several=several),
    }, [*lines, *filter(None, [basis.warning])]


def _row(
    task: TaskFacts, cohort: Cohort | None, found: Sequence[Spender], columns: Columns, question: Question
) -> _Row:
    groups = by_method(found, task["name"])
    members = {
        column: [each for facts in methods for each in groups.get(facts["name"], ())]
        for column, methods in columns.items()
    }
    compared = [each for group in members.values() for each in group]
    budget = common_budget(compared) if question.at is None else question.at
    # A column may stand for the best of several methods, e.g. the algorithms of SB3.
    best = {column: _best(group, budget) for column, group in members.items() if group}
    return _Row(task, cohort, budget, {column: each for column, each in best.items() if each is not None})


def _best(group: Sequence[Spender], budget: float | None) -> Spender | None:
    valued = [each for each in group if budget is None or each.values(budget)]
    if budget is None or not valued:
        return group[0]
    return first_largest(valued, lambda each: mean(each.values(budget)))


def _values_table(
    preset: str, columns: Columns, rows: Sequence[_Row], question: Question, notes: Sequence[str], *, several: bool
) -> Table:
    body = []
    for row in rows:
        scores = (
            {}
            if row.budget is None
            else {name: _score(each, each.values(row.budget)) for name, each in row.columns.items()}
        )
        body.append([*_head(row, several=several), *_score_cells(columns, row, scores, question.unit)])
    note = "Mean ± sample standard deviation over runs. Bold: the largest mean of the row among those that spend."
    early = _early(rows)
    title = f"Incumbent at the same budget in {question.unit} ({preset})"
    return _table(title, question, columns, body, [note, *notes, *early], several=several)


def _area_table(
    preset: str, columns: Columns, rows: Sequence[_Row], question: Question, notes: Sequence[str], *, several: bool
) -> Table:
    body = []
    for row in rows:
        before = row.task["random_reward"]
        scores = {
            name: _score(each, each.means(row.budget, before))
            for name, each in row.columns.items()
            if row.budget and not each.is_free
        }
        body.append([*_head(row, several=several), *_score_cells(columns, row, scores, question.unit)])
    note = (
        f"Area under the incumbent over {question.unit}, from 0 to the budget, divided by the budget: high where much "
        "is reached early. Before a run's first value it is the reward of a random policy. Mean ± sample standard "
        "deviation over runs. Bold: the largest mean of the row."
    )
    unknown = [row.task["label"] for row in rows if row.task["random_reward"] is None]
    own = [f"Each run's own first value stands before it where a random policy's is not known: {', '.join(unknown)}."]
    title = f"Mean incumbent up to the budget in {question.unit} ({preset})"
    return _table(title, question, columns, body, [note, *(own if unknown else []), *notes], several=several)


def _target_table(
    preset: str, columns: Columns, rows: Sequence[_Row], question: Question, notes: Sequence[str], *, several: bool
) -> Table:
    body = []
    for row in rows:
        target = question.target(row.task)
        found = (
            {}
            if target is None
            else {name: _takes(each, target, row.budget) for name, each in row.columns.items() if not each.is_free}
        )
        least = min((each.median for each in found.values() if each.median is not None), default=None)
        head = _head(row, several=several)
        head[-1:] = [Cell("unknown" if target is None else f"{target:.5g}", figures=target)]
        body.append([*head, *(_target_cell(name, row, found.get(name), least, question.unit) for name in columns)])
    note = (
        f"Median of the {question.unit} that it takes a run until its incumbent first reaches the target "
        "(Kaplan-Meier: runs that end before count as not yet there). >N: half of the runs had not reached it by N, "
        "the end of the longest. Below: runs that reached it, and the mean in which all beyond the common budget count "
        "as that. "
        "Bold: the smallest median of the row."
    )
    asked = "Target" if question.reward is not None else f"Target: {question.share:g} of the way from random to optimal"
    title = f"What a target takes in {question.unit} ({preset})"
    return _table(title, question, columns, body, [note, f"{asked}.", *notes], several=several, third="target")


@dataclass(frozen=True)
class _Takes:
    """What a target takes: the median, runs that reached it, all runs, end of the longest, mean up to a limit."""

    median: float | None
    reached: int
    runs: int
    end: float
    restricted_mean: float | None
    limit: float | None


def _takes(spender: Spender, target: float, limit: float | None) -> _Takes:
    survival, reached = spender.survival(target)
    # Beyond the end of all runs, the share that has not reached the target is not known.
    known = limit is not None and (limit <= survival.end or reached == len(spender.steps))
    restricted = survival.restricted_mean(limit) if known and limit is not None else None
    return _Takes(survival.median, reached, len(spender.steps), survival.end, restricted, limit if known else None)


def _target_cell(column: str, row: _Row, takes: _Takes | None, least: float | None, unit: str) -> Cell:
    spender = row.columns.get(column)
    if spender is None:
        return Cell("")
    if takes is None:
        return Cell("", (f"no {unit}",) if spender.is_free else ())
    median = f">{amount(takes.end)}" if takes.median is None else amount(takes.median)
    below = [f"{takes.reached} of {takes.runs} runs"]
    if takes.reached and takes.restricted_mean is not None and takes.limit is not None:
        below.append(f"mean {amount(takes.restricted_mean)} up to {amount(takes.limit)}")
    text = _named(column, spender, median)
    figures = {"label": spender.experiment.label, **vars(takes)}
    is_best = least is not None and takes.median == least
    mark = few_mark(takes.runs)
    return Cell(text + mark, tuple(below), is_best=is_best, plain=text, figures=figures)


def _score(spender: Spender, values: Sequence[float]) -> Score | None:
    return score_of(spender.experiment.label, values)


def _score_cells(columns: Columns, row: _Row, scores: Mapping[str, Score | None], unit: str) -> list[Cell]:
    spending = [score.shown_mean for name, score in scores.items() if score and not row.columns[name].is_free]
    top = max(spending, default=None)
    return [_score_cell(name, row, scores.get(name), top, unit) for name in columns]


def _score_cell(column: str, row: _Row, score: Score | None, top: float | None, unit: str) -> Cell:
    spender = row.columns.get(column)
    below = (f"no {unit}",) if spender is not None and spender.is_free else ()
    if spender is None or score is None:
        return Cell("", below)
    text = _named(column, spender, score.text)
    is_best = not spender.is_free and score.shown_mean == top
    return Cell(text + score.mark, below, is_best=is_best, plain=text, figures=figures_of(score))


def _named(column: str, spender: Spender, text: str) -> str:
    label = spender.experiment.label
    return f"{label.removeprefix('SB3-')}: {text}" if column in ("SB3", BEST) else text


def _head(row: _Row, *, several: bool) -> list[Cell]:
    logs = [Cell(row.cohort.label if row.cohort else "no language model")] if several else []
    return [task_cell(row.task), *logs, Cell("" if row.budget is None else amount(row.budget), figures=row.budget)]


def _table(
    title: str,
    question: Question,
    columns: Columns,
    body: Sequence[Sequence[Cell]],
    notes: Sequence[str],
    *,
    several: bool,
    third: str = "",
) -> Table:
    heading = ["environment", *(["logs"] if several else []), third or question.unit]
    return Table(title, [*heading, *columns], body, notes, texts=range(len(heading) - 1))


def _early(rows: Sequence[_Row]) -> list[str]:
    parts = [
        f"{each.experiment.cell} ({', '.join(names)})"
        for row in rows
        for each in row.columns.values()
        if row.budget is not None and (names := each.ended_early(row.budget))
    ]
    return [f"Ended before the budget, counted with their last value: {'; '.join(parts)}."] if parts else []


def _about(
    cohort: Cohort | None, part: Sequence[ExperimentLogs], found: Sequence[Spender], unit: str, *, several: bool
) -> list[str]:
    """Say which runs the numbers come from, and what is missing."""
    told = f"{cohort.label}: " if cohort and several else ""
    lacking = [f"{each.experiment.cell} ({'; '.join(each.problems)})" for each in found if each.problems]
    # No word of unequal budgets in all: at the budget they are equal.
    odd = about_runs(named(part), "which count up to their end only")
    return [
        *([f"{told}{cohort.label}."] if cohort and not several else []),
        *([f"No {unit} on record: {'; '.join(lacking)}."] if lacking else []),
        *other_protocols(cohort, part),
        *(f"{told}{line}" for line in odd),
        *budget_notes(each.protocol for each in part if each.method == "sb3"),
    ]


def _counts(cohort: Cohort | None, rows: Sequence[_Row]) -> str:
    """Say how many runs have a value at the budget."""
    counts: dict[int, list[tuple[str, str]]] = {}
    for row in rows:
        for each in row.columns.values():
            count = len(each.steps) if row.budget is None else len(each.reached(row.budget))
            counts.setdefault(count, []).append((each.experiment.label, row.task["label"]))
    usual = max(counts, key=lambda count: (len(counts[count]), count), default=0)
    rest = "; ".join(
        f"n = {count} for {cells_phrase(cells)}" for count, cells in sorted(counts.items()) if count != usual
    )
    who = f"{cohort.label}: " if cohort else ""
    return f"{who}n = {usual} runs of each experiment have a value at the budget{f', but {rest}' if rest else ''}."
