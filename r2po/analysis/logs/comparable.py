"""Which experiments are compared with each other: one for each cell, in cohorts; and where their conditions differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from r2po.analysis.logs.built_in import BUILT_IN
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs, experiment_order
from r2po.analysis.logs.load import LogDirectory
from r2po.analysis.logs.published import PROTOCOL
from r2po.analysis.logs.raced import races
from r2po.analysis.logs.run_data import RunData, drawable
from r2po.analysis.logs.spending import asks_model
from r2po.runlog.facts import NO_MODEL, MethodFacts

SAME = 1.1
"""Budgets whose ratio is below this count as the same: warm-ups differ."""

MOST_NAMES = 3
"""So many unfinished runs of an experiment are named."""

COUNTED = "counted as far as they came"
"""How runs count that did not reach their end."""


@dataclass(frozen=True)
class Named:
    """Runs of one method on one task, by the names that a comparison gives them."""

    label: str
    task_label: str
    runs: Sequence[RunData]


def named(experiments: Sequence[ExperimentLogs]) -> list[Named]:
    """Return experiments by the names of their methods and tasks."""
    return [Named(each.label, each.task["label"], each.runs) for each in experiments]


def cells_phrase(cells: Iterable[tuple[str, str]]) -> str:
    """Write what runs are of, by method and task: ``"ProPS on Nim, Pong; R2PO on Nim"``."""
    where: dict[str, list[str]] = {}
    for label, task in cells:
        where.setdefault(label.removesuffix(f" on {task}"), []).append(task)
    return "; ".join(f"{label} on {', '.join(dict.fromkeys(tasks))}" for label, tasks in where.items())


def others(experiments: Sequence[ExperimentLogs]) -> list[MethodFacts]:
    """Return the methods of runs of ours that are not built in, by name: tables show them beside their own ones."""
    found = {each.method: each.facts for each in experiments if each.runs and each.runs[0].origin == "r2po"}
    return [found[name] for name in sorted(found.keys() - BUILT_IN.keys())]


def choose(experiments: Sequence[ExperimentLogs]) -> tuple[list[ExperimentLogs], list[str]]:
    """Choose the experiments that tables compare: with runs, in the method's own setting, one for each cell.

    Returns:
        They, and a line for each folder that is left out or odd.
    """
    cells: dict[tuple[Cohort | None, str, str, str, str | None], list[ExperimentLogs]] = {}
    lines = []
    for each in experiments:
        lines += each.remarks
        if each.runs and not each.variant:
            key = (each.cohort, each.protocol, each.environment, each.method, each.algorithm)
            cells.setdefault(key, []).append(each)
    chosen = [max(cell, key=lambda each: each.rank) for cell in cells.values()]
    for kept, cell in zip(chosen, cells.values(), strict=True):
        lines += [
            f"{left_out(each, kept, kept.cell)}; keep them under different --logs-root"
            for each in cell
            if each is not kept
        ]
    return chosen, lines + unfinished(named(chosen))


def left_out(left: ExperimentLogs, kept: ExperimentLogs, what: str) -> str:
    """Say that an experiment is left out, since another one is the same thing, and in what they differ."""
    names = [f"{each.path}" for each in (left, kept)]
    if left.path == kept.path:
        names = [f"{each.path} ({', '.join(run.name for run in each.runs)})" for each in (left, kept)]
    prompts = left.runs[0].prompts_hash != kept.runs[0].prompts_hash
    plugins = left.runs[0].plugins_hash != kept.runs[0].plugins_hash
    settings = _by_value([(str(each.runs[0].path), each.runs[0]) for each in (left, kept)])
    reasons = [
        "which is a replay" if left.is_replay else "which has no complete run" if not left.rank[1] else "",
        "with other prompts" if prompts else "",
        "with other plugins" if plugins else "",
        f"with other settings: {', '.join(settings)}" if settings and not left.is_replay else "",
    ]
    too = ", ".join(filter(None, [f"{names[1]} is {what} too", *reasons[1:]]))
    return f"{names[0]}: left out" + (f", {reasons[0]}" if reasons[0] else "") + f", {too}"


def cohorts(experiments: Sequence[ExperimentLogs]) -> list[tuple[Cohort | None, list[ExperimentLogs]]]:
    """Part experiments by model and protocol; each part has the baselines without a language model beside it.

    Where a baseline was run under several protocols, a part takes the one that is closest to its own. What no part
    takes stands apart, by protocol.

    Returns:
        The parts, those of stand-ins last; a single one with the cohort None if there is no language model at all and
        one protocol.
    """
    without = [each for each in experiments if each.cohort is None]
    parts: dict[Cohort, list[ExperimentLogs]] = {}
    for each in experiments:
        if each.cohort is not None:
            parts.setdefault(each.cohort, []).append(each)
    protocols = {each.protocol for each in without}
    if not parts and len(protocols) <= 1:
        return [(None, without)] if without else []
    for cohort, members in parts.items():
        members += _closest(without, cohort.protocol)
    taken = {id(each) for members in parts.values() for each in members}
    for each in without:
        if id(each) not in taken:
            parts.setdefault(Cohort(stand_in=False, model=NO_MODEL, protocol=each.protocol), []).append(each)
    return [(cohort, sorted(parts[cohort], key=experiment_order)) for cohort in sorted(parts)]


def _closest(experiments: Sequence[ExperimentLogs], protocol: str) -> list[ExperimentLogs]:
    """Return one of each baseline on each environment: under this protocol, else under the one most like it."""
    chosen: dict[tuple[str, str, str | None], ExperimentLogs] = {}
    for each in sorted(experiments, key=lambda each: _distance(each.protocol, protocol)):
        chosen.setdefault((each.environment, each.method, each.algorithm), each)
    return list(chosen.values())


def _distance(one: str, other: str) -> int:
    # The published protocol is that of the published code, with its errors set right.
    return 0 if one == other else 1 if {one, other} == {PROTOCOL, "published"} else 2


def uneven_runs(logs: LogDirectory) -> list[str]:
    """Name each setting in which the runs of a folder differ, one line each."""
    return [f"{logs.path}: the runs differ in {line}" for line in differences(logs.runs)]


def differences(runs: Sequence[RunData]) -> list[str]:
    """Name each setting in which runs differ that should be runs of one experiment, one line each."""
    return _by_value([(run.name, run) for run in runs])


def distinctions(groups: Sequence[Sequence[RunData]]) -> list[str]:
    """Say for each of several groups of runs, each of one experiment, which settings of its own it has."""
    firsts = [group[0] for group in groups]
    keys = [key for key in _setting_keys(firsts) if len({_setting(run, key) for run in firsts}) > 1]
    return [", ".join(f"{key} {_setting(run, key)}" for key in keys) for run in firsts]


def _setting_keys(runs: Sequence[RunData]) -> list[str]:
    return list({key: None for run in runs for key in run.settings})


def _setting(run: RunData, key: str) -> str:
    return str(run.settings[key]) if key in run.settings else "not set"


def _by_value(named: Sequence[tuple[str, RunData]]) -> list[str]:
    """Name each setting in which runs differ, one line each, with the names of those that have each value."""
    lines = []
    for key in _setting_keys([run for _, run in named]):
        by_value: dict[str, list[str]] = {}
        for name, run in named:
            by_value.setdefault(_setting(run, key), []).append(name)
        if len(by_value) > 1:
            lines.append(f"{key}: " + "; ".join(f"{value} in {', '.join(names)}" for value, names in by_value.items()))
    return lines


def conditions(compared: Sequence[Named]) -> list[str]:
    """Say what a reader must know before comparing: races, unfinished and copied runs, and unequal budgets."""
    return [*about_runs(compared), *uneven(compared)]


def about_runs(compared: Sequence[Named], how: str = COUNTED) -> list[str]:
    """Say which runs were raced, did not reach their end (and how those count), or are there twice."""
    return [*raced(compared), *unfinished(compared, how), *copied(compared)]


def raced(compared: Sequence[Named]) -> list[str]:
    """Say which means are of runs that a race has selected or deferred."""
    cells: dict[Path, list[str]] = {}
    for each in compared:
        for folder in dict.fromkeys(run.path.parent for run in each.runs):
            cells.setdefault(folder, []).append(cells_phrase([(each.label, each.task_label)]))
    return [f"{line}." for line in races(cells)]


def unfinished(compared: Sequence[Named], how: str = COUNTED) -> list[str]:
    """Name the runs that did not reach their end, and how far they came, in one line."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for each in compared:
        runs = [run for run in each.runs if not run.complete]
        if runs:
            far = ", ".join(f"{run.name}: {run.progress}" for run in runs[:MOST_NAMES])
            more = f", and {len(runs) - MOST_NAMES} more" if len(runs) > MOST_NAMES else ""
            text = f"{len(runs)} of {len(each.runs)} of {{}} ({far}{more})"
            groups.setdefault(text, []).append((each.label, each.task_label))
    parts = [text.format(cells_phrase(cells)) for text, cells in groups.items()]
    return [f"Unfinished runs, {how}: {'; '.join(parts)}."] if parts else []


def copied(compared: Sequence[Named]) -> list[str]:
    """Name the copies of runs that were found and left out, in one line."""
    parts = [
        f"{run.name} of {cells_phrase([(each.label, each.task_label)])} (also {', '.join(run.copies)})"
        for each in compared
        for run in each.runs
        if run.copies
    ]
    return [f"Copied runs, with the same seed and rewards, count once: {'; '.join(parts)}."] if parts else []


def uneven_budgets(experiments: Sequence[ExperimentLogs]) -> list[str]:
    """Say where the methods of an environment did not spend the same per run: a line for episodes, one for calls."""
    return uneven(named(experiments))


def uneven(compared: Sequence[Named]) -> list[str]:
    """Say so of runs by their names. Methods that ask no model are not compared in calls."""
    return [line for unit in ("episodes", "calls") for line in _uneven(compared, unit)]


def _uneven(compared: Sequence[Named], unit: str) -> list[str]:
    spent: dict[str, list[tuple[float, str]]] = {}
    for each in compared:
        totals = [total for run in drawable(each.runs) if (total := _total(run, unit))]
        if totals:
            spent.setdefault(each.task_label, []).append((float(np.median(totals)), each.label))
    ranges: dict[str, list[str]] = {}
    for environment, pairs in spent.items():
        (least, one), (most, other) = min(pairs), max(pairs)
        if most > SAME * least:
            ranges.setdefault(f"{least:,.0f} ({one}) to {most:,.0f} ({other})", []).append(environment)
    parts = [f"{', '.join(environments)} {range_}" for range_, environments in ranges.items()]
    return [f"Not at the same budget, in {unit} per run: {'; '.join(parts)}."] if parts else []


def _total(run: RunData, unit: str) -> int:
    """Return what a run spent; 0 if it spent none, or its log does not say."""
    spent = run.spent
    return spent.episodes if unit == "episodes" else (spent.llm_calls or 0) if asks_model(run) else 0


def other_protocols(cohort: Cohort | None, experiments: Sequence[ExperimentLogs]) -> list[str]:
    """Name the baselines that stand beside a cohort but were run under another protocol, in one line."""
    if cohort is None:
        return []
    odd = sorted({(each.label, each.protocol) for each in experiments if each.protocol != cohort.protocol})
    named = ", ".join(f"{label} ({protocol})" for label, protocol in odd)
    return [f"Under another protocol than {cohort.label}: {named}."] if odd else []
