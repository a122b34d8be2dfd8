"""Whether what a card says of observations and actions fits the environment."""

from __future__ import annotations

from r2po.tasks.spaces import Spaces
from r2po.tasks.task import Dimension, Task


def misfit(task: Task, spaces: Spaces) -> str:
    """Return in one line which entry does not fit the spaces, what it has and what it should have; "" if all fit.

    A card that describes nothing fits.
    """
    return (_of_observation(task, spaces) or _of_actions(task, spaces)) if task.is_described else ""


def _of_observation(task: Task, spaces: Spaces) -> str:
    numbered, size = spaces.discrete_observation, spaces.observation_size
    if isinstance(task.observation, str):
        return "" if numbered else f"observation is one text; {task.gym_id} observes {size} numbers: list them"
    if numbered:
        return f"observation is a list; {task.gym_id} observes the number of a state: say in one text what it means"
    found = len(task.observation)
    return "" if found == size else f"observation lists {found} numbers; {task.gym_id} observes {size}"


def _of_actions(task: Task, spaces: Spaces) -> str:
    found, size = len(task.actions), spaces.action_size
    what = "numbered actions" if spaces.discrete_action else "numbers of an action"
    if found != size:
        return f"actions lists {found}; {task.gym_id} takes {size} {what}"
    if any(isinstance(action, Dimension) == spaces.discrete_action for action in task.actions):
        kind = "texts" if spaces.discrete_action else "numbers, each with name and range"
        return f"actions must be {kind}; {task.gym_id} takes {size} {what}"
    return ""
