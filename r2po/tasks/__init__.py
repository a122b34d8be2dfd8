"""The environments as tasks.

Adding one is a file here and a line in the loop below; from outside the package, ``TASKS.register(task)``.
"""

from __future__ import annotations

from r2po.errors import InputError, unknown
from r2po.registry import Registry
from r2po.tasks import (
    cartpole,
    frozenlake,
    inverteddoublependulum,
    invertedpendulum,
    maze,
    mountaincar,
    mountaincarcontinuous,
    nim,
    pong,
    swimmer,
)
from r2po.tasks.task import Dimension, Task

__all__ = ["PUBLISHED", "TASKS", "Dimension", "Task", "task_for"]

TASKS: Registry[Task] = Registry("environment")
for _task in (
    cartpole.TASK,
    mountaincar.TASK,
    mountaincarcontinuous.TASK,
    invertedpendulum.TASK,
    inverteddoublependulum.TASK,
    swimmer.TASK,
    pong.TASK,
    frozenlake.TASK,
    maze.TASK,
    nim.TASK,
    # Beyond the ten environments of the paper:
    maze.SAMPLE_5X5,
    maze.RANDOM,
):
    TASKS.register(_task)

PUBLISHED: tuple[str, ...] = tuple(TASKS)[:10]
"""Names of the ten environments of the paper."""


def task_for(gym_id: str) -> Task:
    """Return the task of a Gymnasium id.

    Raises:
        InputError: No task has this id.
    """
    by_id = {task.gym_id: task for task in TASKS.values()}
    if gym_id in by_id:
        return by_id[gym_id]
    if gym_id.casefold() in TASKS:
        meant = TASKS[gym_id.casefold()].gym_id
        raise InputError(f"unknown environment {gym_id!r} (did you mean {meant!r}?); known: {', '.join(by_id)}")
    raise unknown("environment", gym_id, by_id)
