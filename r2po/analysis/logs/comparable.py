"""Which experiments are compared with each other: one for each cell, in cohorts; and where their conditions differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2po.analysis.logs.built_in import BUILT_IN
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs, experiment_order
from r2po.analysis.logs.published import PROTOCOL
from r2po.analysis.logs.run_data import RunData, drawable
from r2po.runlog.facts import NO_MODEL, MethodFacts

SAME = 1.1
"""Budgets whose ratio is below this count as the same: warm-ups differ."""


def others(experiments: Sequence[ExperimentLogs]) -> list[MethodFacts]:
    """Return the methods of runs of ours that are not built in, by name: tables show them beside their own ones."""
    found = {each.method: each.facts for each in experiments if each.runs and each.runs[0].origin == "r2po"}
    return [found[name] for name in sorted(found.keys() - BUILT_IN.keys())]


def choose(experiments: Sequence[ExperimentLogs]) -> tuple[list[ExperimentLogs], list[str]]:
    """Choose the experiments that tables compare: with runs, in the method's own setting, one for each cell.

    Returns:
        They, and a line for each folder that is left out or odd.
    """
    chosen: dict[tuple[Cohort | None, str, str, str, str | None], ExperimentLogs] = {}
    lines = []
    for each in experiments:
        lines += each.remarks
        if not each.runs or each.variant:
            continue
        lines += uneven_runs(each)
        key = (each.cohort, each.protocol, each.environment, each.method, each.algorithm)
        other = chosen.setdefault(key, each)
        if other is not each:
            kept, left = (each, other) if len(each.runs) > len(other.runs) else (other, each)
            chosen[key] = kept
            prompts = kept.runs[0].prompts_hash != left.runs[0].prompts_hash
            too = f"{kept.path} is {each.cell} too" + (", with other prompts" if prompts else "")
            lines.append(f"{left.path}: left out, {too}; keep them under different --logs-root")
    return list(chosen.values()), lines


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


def uneven_runs(experiment: ExperimentLogs) -> list[str]:
    """Name each setting in which the runs of one experiment differ, one line each."""
    return [f"{experiment.path}: the runs differ in {line}" for line in differences(experiment.runs)]


def differences(runs: Sequence[RunData]) -> list[str]:
    """Name each setting in which runs differ that should be runs of one experiment, one line each."""
    lines = []
    for key in {key: None for run in runs for key in run.settings}:
        by_value: dict[str, list[str]] = {}
        for run in runs:
            value = str(run.settings[key]) if key in run.settings else "not set"
            by_value.setdefault(value, []).append(run.name)
        if len(by_value) > 1:
            lines.append(f"{key}: " + "; ".join(f"{value} in {', '.join(names)}" for value, names in by_value.items()))
    return lines


def uneven_budgets(experiments: Sequence[ExperimentLogs]) -> list[str]:
    """Say in one line where the methods of an environment did not spend the same number of episodes per run."""
    spent: dict[str, list[tuple[float, str]]] = {}
    for each in experiments:
        episodes = [int(run.episodes[-1]) for run in drawable(each.runs)]
        if episodes:
            spent.setdefault(each.task["label"], []).append((float(np.median(episodes)), each.label))
    parts = []
    for environment, pairs in spent.items():
        (least, one), (most, other) = min(pairs), max(pairs)
        if most > SAME * least:
            parts.append(f"{environment} {least:,.0f} ({one}) to {most:,.0f} ({other})")
    return [f"Not at the same budget, in episodes per run: {'; '.join(parts)}."] if parts else []


def other_protocols(cohort: Cohort | None, experiments: Sequence[ExperimentLogs]) -> list[str]:
    """Name the baselines that stand beside a cohort but were run under another protocol, in one line."""
    if cohort is None:
        return []
    odd = sorted({(each.label, each.protocol) for each in experiments if each.protocol != cohort.protocol})
    named = ", ".join(f"{label} ({protocol})" for label, protocol in odd)
    return [f"Under another protocol than {cohort.label}: {named}."] if odd else []
