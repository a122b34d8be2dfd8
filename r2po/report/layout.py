"""What the parameters of a policy stand for, as far as a task card and the policy family tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from r2po.report.packing import Values
from r2po.tasks import TASKS, Task

_LONGEST = 34

WORDS: Mapping[str, str] = {
    "random_features": "Weights of random features, which the log does not name one by one.",
    "projected_mlp": "Coordinates in a random subspace of the weights of a small network; none of them has a meaning.",
    "code": "The policy is a program.",
}
"""What is said of families whose parameters have no names."""


def layout_of(policy: str | None, bias: bool, task_name: str, size: int) -> Values:
    """Return how ``size`` parameters are shown.

    Args:
        policy: The policy family, if the log tells it.
        bias: Whether linear policies have one.
        task_name: Name of the task; its card need not be there.
        size: How many parameters a policy has; 0 if it has none.

    Returns:
        Its ``kind`` is ``matrix`` with names of ``rows`` and ``columns``, ``choices`` with the meaning of each of the
        ``values``, ``rows``, or ``none``; ``words`` say what cannot be named.
    """
    task = _card(task_name)
    words = WORDS.get(policy or "", "")
    if not size:
        return {"kind": "none", "words": words}
    if task is not None and policy == "linear":
        named = _matrix(task, size, bias=bias)
        if named:
            return named
    if policy == "tabular":
        return {"kind": "choices", "values": _choices(task), "words": "One action for each state."}
    return {"kind": "rows", "words": words}


def _matrix(task: Task, size: int, *, bias: bool) -> Values | None:
    """Return names of rows and columns of a linear policy; None if the card does not fit the parameters."""
    if isinstance(task.observation, str):
        return None
    rows = [short(each.name) for each in task.observation] + (["bias"] if bias else [])
    columns = [short(each if isinstance(each, str) else each.name) for each in task.actions]
    if len(rows) * len(columns) != size:
        return None
    return {"kind": "matrix", "rows": rows, "columns": columns, "words": ""}


def _choices(task: Task | None) -> list[list[Any]]:
    """Return value and meaning of each discrete action; none without a card that tells them."""
    if task is None or not all(isinstance(each, str) for each in task.actions):
        return []
    first = 1 if task.name == "nim" else 0
    return [[first + place, short(str(each))] for place, each in enumerate(task.actions)]


def short(name: str) -> str:
    """Return a name without what stands in brackets, cut where it is long."""
    name = re.split(r", | with a | by \d", re.sub(r"\s*\([^)]*\)", "", name))[0].strip()
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _card(task_name: str) -> Task | None:
    """Return the card of a task; None if there is none here, as of a plugin's that is not loaded."""
    return TASKS[task_name] if task_name in TASKS else None  # noqa: SIM401 - a registry is no dictionary


def is_discrete(task_name: str) -> bool:
    """Whether the actions of a task are numbers of choices, as far as its card tells."""
    task = _card(task_name)
    actions: Sequence[Any] = () if task is None else task.actions
    return bool(actions) and all(isinstance(each, str) for each in actions)
