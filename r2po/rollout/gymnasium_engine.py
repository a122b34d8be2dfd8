"""The reference engine: plain Gymnasium, the definition of a correct rollout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np

import r2po.envs  # noqa: F401 - registers the project's own environments
from r2po.policies import Policy
from r2po.policies.forms import Array
from r2po.rollout.types import End, Rollout, Rollouts
from r2po.tasks.spaces import Spaces


class GymnasiumEngine:
    """Rolls out policies in environments that are made once and reused.

    Up to ``parallel`` episodes advance together, so that the policy is evaluated on a batch of observations. Every
    episode starts from its own seed, and equals, bit for bit, the same episode in a fresh environment stepped alone.
    """

    name = "reference"

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

    def runs(self, _policy: Policy) -> bool:
        """Return True: it rolls out any policy."""
        return True

    def evaluate(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out ``policy`` once per seed."""
        returns: list[float] = []
        lengths: list[int] = []
        ends: list[End] = []
        for start in range(0, len(seeds), self._parallel):
            batch = _Batch(self._spaces, self._environments(len(seeds[start : start + self._parallel])))
            batch.run(policy, seeds[start : start + self._parallel], self._max_steps)
            returns += batch.returns
            lengths += batch.lengths
            ends += batch.ends
        replay = partial(self.roll_out, policy)
        return Rollouts(tuple(seeds), np.array(returns), np.array(lengths, np.int64), tuple(ends), replay)

    def roll_out(self, policy: Policy, seed: int) -> Rollout:
        """Roll out ``policy`` from one seed, with its trajectory."""
        batch = _Batch(self._spaces, self._environments(1), keep=True)
        batch.run(policy, [seed], self._max_steps)
        return Rollout(
            seed=seed,
            observations=np.concatenate(batch.observations),
            actions=np.concatenate(batch.actions),
            rewards=np.array(batch.rewards),
            end=batch.ends[0],
        )

    def close(self) -> None:
        """Close all environments."""
        while self._pool:
            self._pool.pop().close()

    def _environments(self, count: int) -> list[gymnasium.Env[Any, Any]]:
        while len(self._pool) < count:
            self._pool.append(gymnasium.make(self._gym_id, disable_env_checker=True, **self._env_kwargs))
        return self._pool[:count]


class _Batch:
    """Episodes that advance together; with ``keep``, which is for a single one, its trajectory."""

    def __init__(self, spaces: Spaces, environments: Sequence[gymnasium.Env[Any, Any]], *, keep: bool = False) -> None:
        count = len(environments)
        self._discrete_action = spaces.discrete_action
        self._environments = environments
        self._steppers = [environment.step for environment in environments]
        self._keep = keep
        # Two buffers: a policy may hand out views of the observations as its actions.
        shape, kind = ((count,), np.int64) if spaces.discrete_observation else ((count, spaces.observation_size), float)
        self._current: Array = np.empty(shape, kind)
        self.returns = [0.0] * count
        self.lengths = [0] * count
        self.ends: list[End] = ["cap"] * count
        self.observations: list[Array] = []
        self.actions: list[Array] = []
        self.rewards: list[float] = []

    def run(self, policy: Policy, seeds: Sequence[int], max_steps: int) -> None:
        """Step every episode to its end."""
        for slot, seed in enumerate(seeds):
            self._current[slot] = self._environments[slot].reset(seed=seed)[0]
        active = list(range(len(seeds)))
        for time in range(1, max_steps + 1):
            observations = self._current.copy() if len(active) == len(seeds) else self._current[active]
            actions = policy(observations)
            if self._keep:
                self.observations.append(observations)
                self.actions.append(np.array(actions, np.int64 if self._discrete_action else np.float64))
            active = self._step(active, actions, time)
            for slot in active if time == max_steps else ():
                self.lengths[slot] = time
            if not active:
                break
        if self._keep:
            self.observations.append(self._current.copy())

    def _step(self, active: Sequence[int], actions: Array, time: int) -> list[int]:
        """Step every active environment once and return those that go on."""
        going: list[int] = []
        # Discrete actions go in as Python ints, continuous ones as rows of the batch.
        for slot, action in zip(active, actions.tolist() if self._discrete_action else actions, strict=True):
            observation, reward, terminated, truncated, _ = self._steppers[slot](action)
            self._current[slot] = observation
            reward = float(reward)
            self.returns[slot] += reward
            if self._keep:
                self.rewards.append(reward)
            if terminated or truncated:
                self.lengths[slot] = time
                self.ends[slot] = "terminated" if terminated else "truncated"
            else:
                going.append(slot)
        return going
