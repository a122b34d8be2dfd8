"""What a simulator knows and a policy does not see: the ``hidden`` fields of a card, read from an environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeAlias

from r2po.errors import InputError
from r2po.tasks.task import Task

Reader: TypeAlias = Callable[[Any], dict[str, float]]
"""Takes an environment and returns its hidden fields as they are now."""

READERS: dict[str, Reader] = {}
"""Readers of tasks from outside the package, by the task's name."""


def hidden_reader(task: Task) -> Reader:
    """Return what reads the hidden fields of a task; for a task without any, it returns an empty record.

    Those of the package's tasks are in ``r2po/tasks/rewards``.

    Raises:
        InputError: Nothing reads the fields that the card names. What is returned raises it if one is missing.
    """
    if not task.hidden:
        return lambda _env: {}
    reader = READERS.get(task.name) or _own_reader(task)

    def read(env: Any) -> dict[str, float]:
        fields = reader(env)
        if missing := [name for name in task.hidden if name not in fields]:
            raise InputError(
                f"task {task.name!r}: the reader of its hidden fields gives no {', '.join(missing)}; it gives "
                f"{', '.join(fields) or 'none'}"
            )
        return fields

    return read


def _own_reader(task: Task) -> Reader:
    try:
        reader: Reader = import_module(f"{__package__}.rewards.{task.name}").hidden
    except (ImportError, AttributeError):
        raise InputError(
            f"task {task.name!r} has hidden fields ({', '.join(task.hidden)}), but nothing reads them: expected a "
            f"function in r2po.tasks.hidden.READERS[{task.name!r}]"
        ) from None
    return reader


def step_record(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return the record that ``reward`` takes: each field as it was before and after the step."""
    return {f"{name}_before": value for name, value in before.items()} | {
        f"{name}_after": value for name, value in after.items()
    }
