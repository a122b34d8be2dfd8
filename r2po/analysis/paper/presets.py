"""Which methods stand in the paper's tables and curves, and on which tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from r2po.analysis.logs.built_in import BASELINES, method_facts, task_facts
from r2po.analysis.logs.chosen import with_policy
from r2po.analysis.logs.comparable import others
from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.output.tables import Cell
from r2po.runlog.facts import MethodFacts, TaskFacts

BEST = "BestBaseline"


CODE = "code"
"""Name of a preset, and of the policies that make the same method another column of it."""


def facts_of(name: str) -> MethodFacts:
    """Return what is known of a method; of ``r2po:code``, what is known of R2PO with policies that are code."""
    method, _, policy = name.partition(":")
    facts = method_facts(method)
    return with_policy(facts, policy) if policy else facts


def _columns(*methods: str) -> dict[str, tuple[str, ...]]:
    return {facts_of(name)["label"]: (name,) for name in methods}


_VARIANTS = ("pure_search", "actor_second_pass", "critic_only", "always_critic", "reptraj", "three_traj", "r2po")

PRESETS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "core": _columns("props", "propsp", "r2po", "sb3"),
        "variants": {BEST: BASELINES, **_columns(*_VARIANTS)},
        "search": _columns("props", "propsp", "r2po", "random_search", "cma_es", "ars", "evolution_strategy"),
        CODE: _columns("propsp", "r2po", "propsp:code", "r2po:code", "promptpo", "promptpo_tuned"),
    }
)
"""Columns of each preset, with the methods of which the best one stands there."""

Columns = Mapping[str, Sequence[MethodFacts]]


CHOSEN = "chosen"
"""What stands for the name of a preset where methods were asked for one by one."""


def columns_of(preset: str, experiments: Sequence[ExperimentLogs] = (), methods: Sequence[MethodFacts] = ()) -> Columns:
    """Return the columns with their methods.

    Args:
        preset: Key of ``PRESETS``: its columns, and one for each method found that is not built in.
        experiments: What was found.
        methods: The columns instead, if there are any.
    """
    if methods:
        return {facts["label"]: (facts,) for facts in methods}
    columns = {column: tuple(map(facts_of, names)) for column, names in PRESETS[preset].items()}
    known = {facts["name"] for column in columns.values() for facts in column}
    own = [facts for facts in others(experiments) if facts["name"] not in known]
    return {**columns, **{facts["label"]: (facts,) for facts in own}}


def told_apart(preset: str, experiments: Sequence[ExperimentLogs]) -> list[ExperimentLogs]:
    """Return the experiments with those as methods of their own that the preset tells apart by policy family."""
    if preset != CODE:
        return list(experiments)
    return [
        replace(each, variant="", facts=with_policy(each.facts, CODE)) if each.variant == CODE else each
        for each in experiments
    ]


def tasks_of(keys: Iterable[str], experiments: Sequence[ExperimentLogs]) -> list[TaskFacts]:
    """Return the tasks with these keys, as the experiments that were found describe them."""
    found = {each.environment: each.task for each in experiments}
    return [found.get(key) or task_facts(key) for key in keys]


def is_possible(methods: Sequence[MethodFacts], task: TaskFacts) -> bool:
    """Whether any of these methods can search the policies of a task: some search tables only, some none."""
    is_table = task["policy"] == "tabular"
    kinds = [facts["searches"] for facts in methods]
    fits_all = ("", "programs")
    return task["policy"] is None or any(kind in fits_all or (kind == "tables") == is_table for kind in kinds)


def task_cell(task: TaskFacts) -> Cell:
    """Return the cell that names a task."""
    return Cell(task["label"], plain=task["name"])
