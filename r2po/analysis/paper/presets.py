"""Which methods stand in the paper's tables and curves, and on which tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from r2po.analysis.logs.built_in import BASELINES, method_facts, task_facts
from r2po.analysis.logs.comparable import others
from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.output.tables import Cell
from r2po.runlog.facts import MethodFacts, TaskFacts

BEST = "BestBaseline"


def _columns(*methods: str) -> dict[str, tuple[str, ...]]:
    return {method_facts(name)["label"]: (name,) for name in methods}


_VARIANTS = ("pure_search", "actor_second_pass", "critic_only", "always_critic", "reptraj", "three_traj", "r2po")

PRESETS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "core": _columns("props", "propsp", "r2po", "sb3"),
        "variants": {BEST: BASELINES, **_columns(*_VARIANTS)},
        "search": _columns("props", "propsp", "r2po", "random_search", "cma_es", "ars", "evolution_strategy"),
    }
)
"""Columns of each preset, with the methods of which the best one stands there."""

Columns = Mapping[str, Sequence[MethodFacts]]


def columns_of(preset: str, experiments: Sequence[ExperimentLogs] = ()) -> Columns:
    """Return the columns of a preset with their methods, and one for each method found that is not built in."""
    columns = {column: tuple(map(method_facts, names)) for column, names in PRESETS[preset].items()}
    for facts in others(experiments):
        label = facts["label"]
        columns[f"{label} ({facts['name']})" if label in columns else label] = (facts,)
    return columns


def tasks_of(keys: Iterable[str], experiments: Sequence[ExperimentLogs]) -> list[TaskFacts]:
    """Return the tasks with these keys, as the experiments that were found describe them."""
    found = {each.environment: each.task for each in experiments}
    return [found.get(key) or task_facts(key) for key in keys]


def is_possible(methods: Sequence[MethodFacts], task: TaskFacts) -> bool:
    """Whether any of these methods can search the policies of a task: some search tables only, some none."""
    is_table = task["policy"] == "tabular"
    kinds = [facts["searches"] for facts in methods]
    return task["policy"] is None or any(not kind or (kind == "tables") == is_table for kind in kinds)


def task_cell(task: TaskFacts) -> Cell:
    """Return the cell that names a task."""
    return Cell(task["label"], plain=task["name"])
