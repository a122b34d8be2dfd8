"""Episodes of random actions, with all that a check of a task looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import r2po.envs  # noqa: F401 - registers the project's own environments
from r2po.envs.flattened import flattened
from r2po.envs.making import make
from r2po.seeding import derive_seed
from r2po.tasks import Task
from r2po.tasks.hidden import hidden_reader, step_record
from r2po.tasks.spaces import Spaces

WIDEST = 10.0
"""Bound of random actions where the environment has none."""
KEPT = 5
"""Random actions are kept for up to so many steps, to get somewhere."""


@dataclass
class Episode:
    """An episode of T steps.

    Attributes:
        seed: Its seed.
        observations: (T + 1, d) float64, or (T + 1,) int64 state numbers.
        actions: T actions, (a,) float64 each or int.
        rewards: T rewards.
        terminated: T flags; the last one is the end's.
        over: Whether it ended, and was not cut.
        hidden: T records for the card's reward function.
    """

    seed: int
    observations: NDArray[Any]
    actions: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: list[bool] = field(default_factory=list)
    over: bool = False
    hidden: list[dict[str, float]] = field(default_factory=list)

    def steps(self) -> Iterator[tuple[bytes, str, bool]]:
        """Return what each step led to, to be compared: observation, reward, whether that was the end."""
        for observation, reward, end in zip(self.observations[1:], self.rewards, self.terminated, strict=True):
            yield observation.tobytes(), reward.hex(), end


def make_environment(task: Task) -> gymnasium.Env[Any, Any]:
    """Make the environment of a task, with the observations that policies see."""
    made = make(task.gym_id, **task.env_kwargs)
    return flattened(made) if task.flatten else made


def play(task: Task, spaces: Spaces, environment: gymnasium.Env[Any, Any], seed: int, most: int) -> Episode:
    """Play an episode of at most so many steps with random actions, which depend on the seed alone."""
    read = hidden_reader(task)
    kind = np.int64 if spaces.discrete_observation else np.float64
    observations = [np.array(environment.reset(seed=seed)[0], kind)]
    episode = Episode(seed, observations[0])
    before = read(environment)
    for action in _actions(spaces, seed, most):
        observation, reward, terminated, truncated, _ = environment.step(action)
        after = read(environment)
        observations.append(np.array(observation, kind))
        episode.actions.append(action)
        episode.rewards.append(float(reward))
        episode.terminated.append(bool(terminated))
        episode.hidden.append(step_record(before, after))
        before = after
        if terminated or truncated:
            episode.over = True
            break
    episode.observations = np.array(observations)
    return episode


def _actions(spaces: Spaces, seed: int, most: int) -> Iterator[Any]:
    """Draw actions as an engine hands them over: Python's integers, or vectors of float64."""
    rng = np.random.default_rng(derive_seed(seed, "check task", "actions"))
    low = np.clip(spaces.action_low, -WIDEST, WIDEST)
    high = np.clip(spaces.action_high, -WIDEST, WIDEST)
    left, action = 0, None
    for _ in range(most):
        if left == 0:
            left = int(rng.integers(1, KEPT + 1))
            action = (
                spaces.first_action + int(rng.integers(spaces.action_size))
                if spaces.discrete_action
                else rng.uniform(low, high)
            )
        left -= 1
        yield action if spaces.discrete_action else np.array(action)
