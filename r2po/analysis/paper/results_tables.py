"""The results tables of the paper: environments by methods, one table per metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

from r2po.analysis.logs.comparable import choose, cohorts, conditions, named, other_protocols
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.logs.fresh import basis_of, runs_of, settled
from r2po.analysis.logs.names import PUBLISHED_ORDER, environment_order
from r2po.analysis.logs.sb3 import budget_notes
from r2po.analysis.output.scores import Score, few_note, figures_of, reference_lines, score_of, small_print
from r2po.analysis.output.tables import Cell, Table
from r2po.analysis.paper.presets import BEST, Columns, columns_of, is_possible, task_cell, tasks_of, told_apart
from r2po.analysis.paper.validation import Validation
from r2po.analysis.published import SOURCE, SOURCES, reference_environments, reference_results
from r2po.rounding import first_largest
from r2po.runlog.facts import MethodFacts, TaskFacts

METRIC_FILES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "mean_reward": ("mean_reward", "Mean reward over the iterations"),
        "best_reward": ("mean_best_reward", "Best reward"),
        "final_reward": ("mean_final_reward", "Final reward"),
        "heldout_reward": ("heldout", "Held-out reward of the best policy, on fresh episodes"),
    }
)
"""End of the file's name and title, by metric."""
SUCCESS_FILES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "best_success": ("best_success", "Success rate, the largest of an iteration"),
        "final_success": ("final_success", "Success rate of the last iteration"),
        "heldout_success": ("heldout_success", "Held-out success rate of the best policy, on fresh episodes"),
    }
)
"""Likewise; only written where a task tells success."""


class Reference(NamedTuple):
    """Which published figures cells show too, and whether they tell the difference as published, by z.

    Attributes:
        name: A key of ``SOURCES``; none if empty.
        as_published: Whether by z.
    """

    name: str = ""
    as_published: bool = False


Scores = Mapping[str, Sequence[Score]]
"""Scores of one environment by method; several for the algorithms of Stable-Baselines3."""


def build_tables(
    preset: str,
    experiments: Sequence[ExperimentLogs],
    validation: Validation,
    *,
    methods: Sequence[MethodFacts] = (),
    environments: Sequence[str] = (),
    reference: str = "",
    as_published: bool = False,
) -> dict[str, Table]:
    """Return the tables of a preset by the ends of their files' names.

    Args:
        preset: Key of ``PRESETS``; ``CHOSEN`` with methods.
        experiments: What was found.
        validation: Which numbers of runs are right; takes what is missing or odd.
        methods: Columns; those of the preset if empty.
        environments: Rows; if empty, the ten of the paper, those of the reference, and all others that were found.
        reference: Which published figures each cell shows too, a key of ``SOURCES``; none if empty.
        as_published: Whether rewards are the logged ones, and z tells the difference from published figures, as in the
            published tables; else it is Welch's test.
    """
    chosen, lines = choose(told_apart(preset, experiments))
    validation.lines += lines
    columns = columns_of(preset, chosen, methods)
    shown = {facts["name"] for column in columns.values() for facts in column}
    chosen = validation.check([each for each in chosen if each.method in shown])
    basis = basis_of(runs_of(chosen), as_published=as_published, with_reference=bool(reference))
    chosen = settled(chosen, basis)
    validation.lines += [basis.warning] if basis.warning else []
    found = {*PUBLISHED_ORDER, *reference_environments(reference), *(each.environment for each in chosen)}
    tasks = tasks_of(environments or sorted(found, key=environment_order), chosen)
    parts = cohorts(chosen) or [(None, [])]
    _note_missing(columns, tasks, parts, validation)
    tables = {}
    told = {metric: files for metric, files in SUCCESS_FILES.items() if any(each.values(metric) for each in chosen)}
    for metric, (name, title) in {**METRIC_FILES, **told}.items():
        cells = product(tasks, parts)
        rows = [(task, cohort, _scores(part, task, metric)) for task, (cohort, part) in cells]
        title = f"{title} ({preset})"
        beside = Reference(reference, as_published)
        table = _table(columns, metric, title, rows, several=len(parts) > 1, reference=beside)
        notes = [*_about(parts, metric), *basis.notes(metric), *table.notes]
        if metric == "best_reward":
            held_out = f"{preset}_heldout has the held-out ones"
            notes.append(f"A best reward is a maximum over noisy means and flatters; {held_out}.")
        tables[name] = replace(table, notes=notes)
    return tables


def build_published_tables(
    preset: str, environments: Sequence[str] = (), methods: Sequence[MethodFacts] = ()
) -> dict[str, Table]:
    """Return the published tables of a preset, or of some methods; of all ten environments if none is named."""
    tables = {}
    for metric, (name, title) in METRIC_FILES.items():
        tasks = tasks_of(environments or PUBLISHED_ORDER, ())
        rows = [(task, None, _published_scores("published", task, metric)) for task in tasks]
        if any(scores for *_, scores in rows):
            title = f"{title}, as published ({preset})"
            table = _table(columns_of(preset, (), methods), metric, title, rows, several=False, reference=Reference())
            note = f"Mean ± sample standard deviation over runs; {SOURCE}."
            tables[name] = replace(table, notes=[note, *table.notes])
    return tables


def _scores(experiments: Sequence[ExperimentLogs], task: TaskFacts, metric: str) -> Scores:
    scores: dict[str, list[Score]] = {}
    for each in experiments:
        score = score_of(each.label, each.values(metric)) if each.environment == task["name"] else None
        if score is not None:
            scores.setdefault(each.method, []).append(score)
    return scores


def _published_scores(reference: str, task: TaskFacts, metric: str) -> Scores:
    return {
        method: [score]
        for (key, method, name), score in reference_results(reference).items()
        if (key, name) == (task["name"], metric)
    }


def _table(
    columns: Columns,
    metric: str,
    title: str,
    rows: Sequence[tuple[TaskFacts, Cohort | None, Scores]],
    *,
    several: bool,
    reference: Reference,
) -> Table:
    body: list[list[Cell | str]] = []
    for task, cohort, scores in rows:
        best = {column: _best(scores, methods) for column, methods in columns.items()}
        published = _published_scores(reference.name, task, metric) if reference.name else {}
        beside = {column: _best(published, methods) for column, methods in columns.items()}
        top = max((score.shown_mean for score in best.values() if score), default=None)
        names = [task_cell(task)]
        if several:
            names.append(Cell(cohort.label if cohort else "no language model"))
        as_published = reference.as_published
        body.append([*names, *(_cell(each, best[each], beside[each], top, as_published) for each in columns)])
    heading = ["environment", "logs"] if several else ["environment"]
    notes = ["Bold: the largest mean of the row, as far as it is shown."]
    if reference.name:
        has_any = any(key[2] == metric for key in reference_results(reference.name))
        notes.append(
            small_print(SOURCES[reference.name], as_published=reference.as_published)
            if has_any
            else "There are no published figures of this metric."
        )
    return Table(title, [*heading, *columns], body, notes, texts=range(len(heading)))


def _best(scores: Scores, methods: Sequence[MethodFacts]) -> Score | None:
    """Return the one with the largest mean, the first of equals; None if there is none."""
    found = [score for facts in methods for score in scores.get(facts["name"], ())]
    return first_largest(found, lambda score: score.mean) if found else None


def _cell(column: str, score: Score | None, reference: Score | None, top: float | None, as_published: bool) -> Cell:
    below: tuple[str, ...] = ()
    if reference is not None:
        below = reference_lines(score, reference, _named(column, reference), as_published=as_published)
    figures = figures_of(score, reference, as_published=as_published)
    if score is None:
        return Cell("", below, figures=figures)
    text = _named(column, score)
    return Cell(text + score.mark, below, is_best=score.shown_mean == top, plain=text, figures=figures)


def _named(column: str, score: Score) -> str:
    """Write a score; where a column stands for several methods, with the name of this one."""
    if column == "SB3":
        return f"{score.label.removeprefix('SB3-')}: {score.text}"
    return f"{score.label}: {score.text}" if column == BEST else score.text


def _about(parts: Sequence[tuple[Cohort | None, Sequence[ExperimentLogs]]], metric: str) -> list[str]:
    """Say what the numbers are, which runs they come from, and how many."""
    notes = ["Mean ± sample standard deviation over runs."]
    for cohort, part in parts:
        who = f"{cohort.label}: " if cohort else ""
        notes.append(f"{who}{_counts(part, metric)}.")
        told = who if len(parts) > 1 else ""
        notes += [*other_protocols(cohort, part), *(f"{told}{line}" for line in conditions(named(part)))]
    notes += few_note(len(each.values(metric)) for _, part in parts for each in part)
    if any(len(each.runs) == 1 for _, part in parts for each in part):
        notes.append("± 0.00 of a single run says nothing about the spread.")
    return notes + budget_notes(each.protocol for _, part in parts for each in part if each.method == "sb3")


def _counts(experiments: Sequence[ExperimentLogs], metric: str) -> str:
    counts = [(each, len(each.values(metric))) for each in experiments]
    present = [count for _, count in counts if count]
    if not present:
        return "no run has this metric" if experiments else "no runs"
    usual = max(set(present), key=lambda count: (present.count(count), count))
    others: dict[int, list[str]] = {}
    for each, count in counts:
        if count not in (usual, 0):
            others.setdefault(count, []).append(each.cell)
    rest = "; ".join(f"n = {count} for {', '.join(names)}" for count, names in sorted(others.items()))
    return f"n = {usual} run{'' if usual == 1 else 's'} of each experiment" + (f", but {rest}" if rest else "")


def _note_missing(
    columns: Columns,
    tasks: Sequence[TaskFacts],
    parts: Sequence[tuple[Cohort | None, Sequence[ExperimentLogs]]],
    validation: Validation,
) -> None:
    for cohort, part in parts:
        where = f" ({cohort.label})" if cohort and len(parts) > 1 else ""
        there = {(each.environment, each.method) for each in part}
        there |= {(key, method) for owner, key, method in validation.left_out if owner in (cohort, None)}
        for task in tasks:
            for column, methods in columns.items():
                absent = not any((task["name"], facts["name"]) in there for facts in methods)
                if absent and is_possible(methods, task):
                    validation.rows.append((task, column, 0, f"no runs{where}"))
