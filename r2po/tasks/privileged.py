"""``information: privileged``: observations that end with the hidden fields which a card calls ``state``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium

from r2po.envs.appended import Appended
from r2po.errors import InputError
from r2po.tasks import TASKS
from r2po.tasks.hidden import hidden_reader
from r2po.tasks.spaces import Spaces
from r2po.tasks.task import Description, Dimension, Task


def check_state(task: Task) -> None:
    """Refuse a task whose policies cannot be given hidden state.

    Raises:
        InputError: Its card calls no field ``state``; says what its hidden fields are for, and which tasks have state.
    """
    if task.state:
        return
    fields = ", ".join(task.hidden)
    reason = f"its hidden fields ({fields}) only explain the reward" if fields else "it names no hidden fields"
    known = ", ".join(each.gym_id for each in TASKS.values() if each.state)
    raise InputError(f"the card of {task.name} has no state to give: {reason}; these have some: {known}")


class HiddenState:
    """The numbers that a task's policies are given beside the observation, in the order of the card.

    Args:
        task: Its card names some.

    Raises:
        InputError: It names none, or nothing reads them.
    """

    def __init__(self, task: Task) -> None:
        check_state(task)
        self._task, self._reader = task, hidden_reader(task)

    def wrap(self, environment: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        """Return an environment of the task whose observations end with these numbers."""
        return Appended(environment, self._read, len(self._task.state))

    def _read(self, environment: gymnasium.Env[Any, Any]) -> list[float]:
        fields = self._reader(environment)
        return [float(fields[name]) for name in self._task.state]

    def spaces(self, spaces: Spaces) -> Spaces:
        """Return the spaces of a wrapped environment.

        Raises:
            InputError: Observations are numbers of states.
        """
        if spaces.discrete_observation:
            raise InputError(
                f"task {self._task.name!r}: state fields follow a vector, and {self._task.gym_id} observes the number "
                "of a state"
            )
        return replace(spaces, observation_size=spaces.observation_size + len(self._task.state))

    def description(self, description: Description) -> Description:
        """Return a description that names these numbers, and says that they are the simulator's."""
        observed = description.observation
        assert not isinstance(observed, str)
        first, last = len(observed), len(observed) + len(self._task.state) - 1
        which = f"s[{first}] is" if first == last else f"s[{first}] to s[{last}] are"
        told = (
            f"Policies are given more than the environment observes: {which} hidden state, read from the simulator "
            "as it is before the action."
        )
        meanings = (Dimension(f"{self._task.hidden[name]}, read from the simulator") for name in self._task.state)
        return replace(description, summary=f"{description.summary} {told}", observation=(*observed, *meanings))
