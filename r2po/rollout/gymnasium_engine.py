"""The reference engine: plain Gymnasium, the definition of a correct rollout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

import envs  # noqa: F401 - registers the project's own environments
from r2po.policies import Policy
from r2po.policies.base import Array
from r2po.rollout.types import End, Rollout, Rollouts
from r2po.tasks.spaces import Spaces


class GymnasiumEngine:
    """Rolls out policies in environments that are made once and reused.

    Up to ``parallel`` episodes advance together, so that the policy is evaluated on a batch of observations. Every
    episode starts from its own seed, and equals, bit for bit, the same episode in a fresh environment stepped alone.
    """

    def __init__(
        self,
        gym_id: str,
        env_kwargs: Mapping[str, Any],
        spaces: Spaces,
        *,
        max_steps: int,
        parallel: int = 20,
    ) -> None:
        self._gym_id = gym_id
        self._env_kwargs = dict(env_kwargs)
        self._spaces = spaces
        self._max_steps = max_steps
        self._parallel = parallel
        self._pool: list[gymnasium.Env[Any, Any]] = []

    def evaluate(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out ``policy`` once per seed."""
        episodes: list[Rollout] = []
        for start in range(0, len(seeds), self._parallel):
            episodes += self._evaluate_batch(policy, seeds[start : start + self._parallel])
        return Rollouts(tuple(episodes))

    def close(self) -> None:
        """Close all environments."""
        while self._pool:
            self._pool.pop().close()

    def _environments(self, count: int) -> list[gymnasium.Env[Any, Any]]:
        while len(self._pool) < count:
            self._pool.append(gymnasium.make(self._gym_id, disable_env_checker=True, **self._env_kwargs))
        return self._pool[:count]

    def _evaluate_batch(self, policy: Policy, seeds: Sequence[int]) -> list[Rollout]:
        record = _Record(self._spaces, len(seeds), self._max_steps)
        steppers = [environment.step for environment in self._environments(len(seeds))]
        for slot, seed in enumerate(seeds):
            record.observations[0, slot] = self._pool[slot].reset(seed=seed)[0]
        active = list(range(len(seeds)))
        time = 0
        while active:
            everyone = len(active) == len(seeds)
            observations = record.observations[time] if everyone else record.observations[time, active]
            actions = policy(observations)
            record.actions[time, active] = actions
            active = self._step(record, steppers, time, active, actions)
            time += 1
        return [record.rollout(slot, seed) for slot, seed in enumerate(seeds)]

    def _step(
        self, record: _Record, steppers: Sequence[Any], time: int, active: Sequence[int], actions: Array
    ) -> list[int]:
        """Step every active environment once and return those that go on."""
        last = time + 1 >= self._max_steps
        following = record.observations[time + 1]
        rewards = record.rewards[time]
        going: list[int] = []
        # Discrete actions go in as Python ints, continuous ones as rows of the batch.
        for slot, action in zip(active, actions.tolist() if self._spaces.discrete_action else actions, strict=True):
            observation, reward, terminated, truncated, _ = steppers[slot](action)
            following[slot] = observation
            rewards[slot] = reward
            if terminated or truncated or last:
                record.lengths[slot] = time + 1
                record.ends[slot] = "terminated" if terminated else "truncated" if truncated else "cap"
            else:
                going.append(slot)
        return going


class _Record:
    """Buffers for a batch of episodes, time first; pages are touched only as far as episodes get."""

    def __init__(self, spaces: Spaces, count: int, max_steps: int) -> None:
        observation = () if spaces.discrete_observation else (spaces.observation_size,)
        action = () if spaces.discrete_action else (spaces.action_size,)
        self.observations: Array = np.empty(
            (max_steps + 1, count, *observation), np.int64 if spaces.discrete_observation else np.float64
        )
        self.actions: Array = np.empty((max_steps, count, *action), np.int64 if spaces.discrete_action else np.float64)
        self.rewards = np.empty((max_steps, count))
        self.lengths = [0] * count
        self.ends: list[End] = ["cap"] * count

    def rollout(self, slot: int, seed: int) -> Rollout:
        length = self.lengths[slot]
        return Rollout(
            seed=seed,
            observations=self.observations[: length + 1, slot].copy(),
            actions=self.actions[:length, slot].copy(),
            rewards=self.rewards[:length, slot].copy(),
            end=self.ends[slot],
        )
