"""The environments as tasks: one card each, in ``cards/``.

Adding one is a card there and its name in the loop below; from outside the package, ``TASKS.register(task)``.
"""

from __future__ import annotations

from pathlib import Path

from r2po.errors import InputError, unknown
from r2po.plugins import load_installed
from r2po.registry import Registry
from r2po.tasks.card import card_of, read_card
from r2po.tasks.task import Description, Dimension, Source, Task, Told

__all__ = [
    "PUBLISHED",
    "TASKS",
    "Description",
    "Dimension",
    "Source",
    "Task",
    "Told",
    "card_of",
    "carded",
    "read_card",
    "task_for",
]

PUBLISHED: tuple[str, ...] = (
    "cartpole",
    "mountaincar",
    "mountaincarcontinuous",
    "invertedpendulum",
    "inverteddoublependulum",
    "swimmer",
    "pong",
    "frozenlake",
    "maze",
    "nim",
)
"""Names of the ten environments of the paper."""

_FURTHER = (
    *("maze5x5", "mazerandom", "cliffwalking"),
    *("acrobot", "pendulum"),
    *("reacher", "hopper", "walker2d", "halfcheetah"),
    *(f"noise_world_{board}" for board in range(7)),
    # These need an extra, see `r2po/envs/extras.py`.
    *("pickplace", "dooropen", "buttonpress", "draweropen", "pointmazelarge", "pointmazelargediverse"),
    "lunarlander",
)

TASKS: Registry[Task] = Registry("environment", further=load_installed)
for _name in (*PUBLISHED, *_FURTHER):
    TASKS.register(read_card(Path(__file__).parent / "cards" / f"{_name}.yaml"))


def carded(gym_id: str) -> Task | None:
    """Return the task of a Gymnasium id, or of an id ``module:Id`` whose part after the module is the task's, if any.

    Installed plugins may have it.
    """
    ids = (gym_id, gym_id.partition(":")[2])
    if all(task.gym_id not in ids for task in TASKS.values()):
        TASKS.add_further()
    by_id = {task.gym_id: task for task in TASKS.values()}
    return next((by_id[each] for each in ids if each in by_id), None)


def task_for(gym_id: str) -> Task:
    """Return the task of a Gymnasium id, or of an id ``module:Id`` whose part after the module is the task's.

    Raises:
        InputError: No task has this id.
    """
    task = carded(gym_id)
    if task is not None:
        return task
    by_id = {task.gym_id: task for task in TASKS.values()}
    if gym_id.casefold() in TASKS:
        meant = TASKS[gym_id.casefold()].gym_id
        raise InputError(f"unknown environment {gym_id!r} (did you mean {meant!r}?); known: {', '.join(by_id)}")
    raise unknown("environment", gym_id, by_id)
