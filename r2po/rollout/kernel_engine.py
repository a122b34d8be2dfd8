"""The kernel engine: environments and policies compiled into one loop. Importing it needs numba."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import r2po.envs  # noqa: F401 - registers the project's own environments
from r2po.policies import Policy
from r2po.policies.forms import NetworkPolicy, TablePolicy
from r2po.rollout.kernels import KERNELS
from r2po.rollout.kernels.kernel import Kernel
from r2po.rollout.kernels.loop import (
    ENDS,
    Limits,
    Outcomes,
    Trajectory,
    loop_for,
    make_scratch,
    numbers_of,
)
from r2po.rollout.types import Rollout, Rollouts
from r2po.tasks.spaces import Spaces

NO_LIMIT = sys.maxsize


class KernelEngine:
    """Rolls out policies in environments whose dynamics are compiled.

    Seeds, below 2**64, start the same episodes as Gymnasium's ``reset(seed=...)``, and every number of an episode is,
    bit for bit, that of the reference engine. Loops are compiled when they are first needed, and kept on disk.
    """

    name = "kernel"

    def __init__(self, gym_id: str, env_kwargs: Mapping[str, Any], spaces: Spaces, *, max_steps: int) -> None:
        entry_point = gymnasium.spec(gym_id).entry_point
        assert isinstance(entry_point, str)
        module = importlib.import_module(f"r2po.rollout.kernels.{KERNELS[entry_point]}")
        self._kernel: Kernel = module.KERNEL
        environment = gymnasium.make(gym_id, disable_env_checker=True, **env_kwargs)
        self._constants = self._kernel.read(environment.unwrapped)
        environment.close()
        self._spaces = spaces
        self._limits = Limits(spaces.episode_limit or NO_LIMIT, max_steps)
        self._observation_size = 1 if spaces.discrete_observation else spaces.observation_size
        self._action_size = 1 if spaces.discrete_action else spaces.action_size

    def runs(self, policy: Policy) -> bool:
        """Return whether the policy has a form that can be compiled, and fits the environment."""
        spaces = self._spaces
        if isinstance(policy, TablePolicy):
            numbers = policy.actions - spaces.first_action
            legal = bool((numbers >= 0).all() and (numbers < spaces.action_size).all())
            return legal and spaces.discrete_observation and numbers.shape == (spaces.observation_size,)
        if not isinstance(policy, NetworkPolicy) or spaces.discrete_observation:
            return False
        network = policy.network
        inputs = len(network.hidden_weights if len(network.hidden_biases) else network.weights)
        first_action = spaces.first_action if spaces.discrete_action else None
        found = inputs, len(network.biases), policy.first_action
        return found == (spaces.observation_size, spaces.action_size, first_action)

    def evaluate(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out ``policy`` once per seed."""
        outcomes = self._run(policy, seeds, self._trajectory(0))
        ends = tuple(ENDS[end] for end in outcomes.ends.tolist())
        return Rollouts(tuple(seeds), outcomes.returns, outcomes.lengths, ends, partial(self.roll_out, policy))

    def roll_out(self, policy: Policy, seed: int) -> Rollout:
        """Roll out ``policy`` from one seed, with its trajectory."""
        trajectory = self._trajectory(min(self._limits))
        outcomes = self._run(policy, [seed], trajectory)
        length = int(outcomes.lengths[0])
        observations, actions = trajectory.observations[: length + 1], trajectory.actions[:length]
        return Rollout(
            seed=seed,
            observations=_as_numbers(observations) if self._spaces.discrete_observation else observations.copy(),
            actions=_as_numbers(actions) if self._spaces.discrete_action else actions.copy(),
            rewards=trajectory.rewards[:length].copy(),
            end=ENDS[outcomes.ends[0]],
        )

    def close(self) -> None:
        """Do nothing: no environment is kept."""

    def _run(self, policy: Policy, seeds: Sequence[int], trajectory: Trajectory) -> Outcomes:
        assert isinstance(policy, NetworkPolicy | TablePolicy)
        numbers = numbers_of(policy)
        scratch = make_scratch(self._kernel, numbers.network, self._observation_size, self._action_size)
        outcomes = Outcomes(np.empty(len(seeds)), np.empty(len(seeds), np.int64), np.empty(len(seeds), np.int64))
        loop_for(self._kernel, policy)(
            np.array(seeds, np.uint64), numbers, self._constants, self._limits, outcomes, trajectory, scratch
        )
        return outcomes

    def _trajectory(self, steps: int) -> Trajectory:
        observations = np.empty((steps + 1, self._observation_size))
        return Trajectory(observations, np.empty((steps, self._action_size)), np.empty(steps))


def _as_numbers(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the numbers of states or actions, (T, 1) float64, as (T,) int64."""
    return values[:, 0].astype(np.int64)
