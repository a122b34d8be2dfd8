"""Whether what is averaged or compared was made under the same conditions; if not, a line that says so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.logs.run_data import RunData

SAME = 1.1
"""Budgets whose ratio is below this count as the same: warm-ups differ."""


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
        episodes = [int(run.episodes[-1]) for run in each.runs if run.num_iterations]
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
