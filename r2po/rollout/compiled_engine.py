"""What the compiled engines share: which policies they take, and how their loops' arrays become rollouts.

Importing it needs no numba.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2po.policies import Policy
from r2po.policies.forms import CompiledForm, NetworkPolicy, TablePolicy
from r2po.policies.policy import Array
from r2po.rollout.types import End, Rollout, Rollouts
from r2po.tasks.spaces import Spaces

Floats = NDArray[np.float64]
Seeds = NDArray[np.uint64]

ENDS: tuple[End, ...] = ("terminated", "truncated", "cap")
"""How episodes end, by their numbers in ``Outcomes.ends``."""


class Limits(NamedTuple):
    """Steps after which the environment truncates, and steps after which the episode is cut."""

    environment: int
    cap: int


class Outcomes(NamedTuple):
    """What is kept of every episode: arrays (K,)."""

    returns: Floats
    lengths: NDArray[np.int64]
    ends: NDArray[np.int64]


class Trajectory(NamedTuple):
    """What is kept of the steps of a single episode, or, with room for no step, of none: (T + 1, d), (T, a), (T,)."""

    observations: Floats
    actions: Floats
    rewards: Floats


class CompiledEngine(ABC):
    """Rolls out tables and networks in one compiled loop; seeds are below 2**64."""

    name: str

    def __init__(self, spaces: Spaces, max_steps: int) -> None:
        self._spaces = spaces
        self._limits = Limits(spaces.episode_limit or sys.maxsize, max_steps)
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
        network, inputs, outputs = policy.network, spaces.observation_size, spaces.action_size
        hidden = len(network.hidden_biases)
        return (
            policy.first_action == (spaces.first_action if spaces.discrete_action else None)
            and network.weights.shape == (hidden or inputs, outputs)
            and (hidden == 0 or network.hidden_weights.shape == (inputs, hidden))
            and all(row.shape == (outputs,) for row in (network.biases, network.low, network.high))
        )

    def evaluate(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out ``policy``, one that it ``runs``, once per seed."""
        outcomes = self._outcomes(policy, seeds, self._trajectory(0))
        ends = tuple(ENDS[end] for end in outcomes.ends.tolist())
        return Rollouts(tuple(seeds), outcomes.returns, outcomes.lengths, ends, partial(self.roll_out, policy))

    def roll_out(self, policy: Policy, seed: int) -> Rollout:
        """Roll out ``policy``, one that it ``runs``, from one seed, with its trajectory."""
        trajectory = self._trajectory(min(self._limits))
        outcomes = self._outcomes(policy, [seed], trajectory)
        length = int(outcomes.lengths[0])
        return Rollout(
            seed=seed,
            observations=_values(trajectory.observations[: length + 1], self._spaces.discrete_observation),
            actions=_values(trajectory.actions[:length], self._spaces.discrete_action),
            rewards=trajectory.rewards[:length].copy(),
            end=ENDS[outcomes.ends[0]],
        )

    def close(self) -> None:  # noqa: B027 - kernels hold nothing
        """Free what it holds."""

    @abstractmethod
    def _run(self, policy: CompiledForm, seeds: Seeds, outcomes: Outcomes, trajectory: Trajectory) -> None:
        """Play the episodes of K seeds; fill the outcomes and, if it has room, the trajectory."""

    def _outcomes(self, policy: Policy, seeds: Sequence[int], trajectory: Trajectory) -> Outcomes:
        assert isinstance(policy, CompiledForm)
        count = len(seeds)
        outcomes = Outcomes(np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64))
        self._run(policy, np.array(seeds, np.uint64), outcomes, trajectory)
        return outcomes

    def _trajectory(self, steps: int) -> Trajectory:
        observations = np.empty((steps + 1, self._observation_size))
        return Trajectory(observations, np.empty((steps, self._action_size)), np.empty(steps))


def _values(rows: Floats, numbered: bool) -> Array:
    """Return (T, n) rows apart from the array that they are part of; numbers of states or actions, (T, 1), as (T,)."""
    return rows[:, 0].astype(np.int64) if numbered else rows.copy()
