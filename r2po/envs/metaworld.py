"""Four tasks of Meta-World, such that ``reset(seed=...)`` decides the whole episode.

Meta-World itself ignores the seed of ``reset``: an episode then depends on all that came before. Here the seed draws
one of the 50 tasks that Meta-World's benchmark makes, that task is set, and then the simulation is reset.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

BENCHMARK_SEED = 0
"""Decides the 50 tasks of each kind."""


@cache
def _benchmark(task: str) -> tuple[Any, list[Any]]:
    """Return the class of the simulation and its 50 tasks. They take more than a second, once in a process."""
    import metaworld  # takes long, and is not always there

    benchmark = metaworld.MT1(task, seed=BENCHMARK_SEED)
    return benchmark.train_classes[task], list(benchmark.train_tasks)


class MetaWorldEnv(gymnasium.Env[NDArray[np.float64], NDArray[np.float64]]):
    """A robot arm that has to move a thing; observation, action and reward are Meta-World's.

    ``info["success"]`` says whether the thing is where it should be. Nothing ends an episode early; the limit of 500
    steps is given where the environment is registered.

    Args:
        task: Meta-World's name of the task, e.g. ``"pick-place-v3"``.
        render_mode: None or ``"rgb_array"``.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(self, task: str, render_mode: str | None = None) -> None:
        simulation, self._tasks = _benchmark(task)
        self._simulation = simulation(render_mode=render_mode)
        self._simulation.set_task(self._tasks[0])  # without one it does not know its spaces
        self.render_mode = render_mode
        # The simulation's own attribute is older than the task and hides the goal.
        self.observation_space: spaces.Space[Any] = self._simulation.sawyer_observation_space
        self.action_space: spaces.Space[Any] = self._simulation.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Draw a task, set it and reset the simulation."""
        super().reset(seed=seed, options=options)
        self._simulation.set_task(self._tasks[int(self.np_random.integers(len(self._tasks)))])
        observation, _ = self._simulation.reset()
        return np.array(observation, np.float64), {"success": False}

    def step(self, action: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        """Move the hand and the gripper."""
        observation, reward, terminated, truncated, info = self._simulation.step(action)
        success = {"success": bool(info["success"])}
        return np.array(observation, np.float64), float(reward), bool(terminated), bool(truncated), success

    def render(self) -> Any:
        """Return an image, (height, width, 3)."""
        return self._simulation.render()

    def close(self) -> None:
        """Free the simulation."""
        self._simulation.close()
