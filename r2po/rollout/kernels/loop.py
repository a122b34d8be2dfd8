"""The loop over episodes and steps, compiled for one environment and one form of policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2po.policies import Policy
from r2po.policies.forms import NetworkPolicy, TablePolicy
from r2po.rollout.compilation import compiled, inlined
from r2po.rollout.compiled_policies import Floats, act_continuous, act_discrete, look_up
from r2po.rollout.kernels.kernel import Kernel
from r2po.rollout.random_numbers import STREAM_SIZE, seed_stream
from r2po.rollout.types import End

ENDS: tuple[End, ...] = ("terminated", "truncated", "cap")
"""How episodes end, by their numbers in ``Outcomes.ends``."""

Loop = Callable[..., None]


class Outcomes(NamedTuple):
    """What is kept of every episode: arrays (K,)."""

    returns: Floats
    lengths: NDArray[np.int64]
    ends: NDArray[np.int64]


class Trajectory(NamedTuple):
    """What is kept of the steps of a single episode, or, with no room for any step, of none.

    Attributes:
        observations: (T + 1, d).
        actions: (T, a).
        rewards: (T,).
    """

    observations: Floats
    actions: Floats
    rewards: Floats


class Sizes(NamedTuple):
    """Sizes and limits of the loop.

    Attributes:
        state: Values of the state.
        observation: Values of the observation.
        action: Values of the action.
        hidden: Hidden units of the policy.
        scores: Outputs of the policy.
        limit: Steps after which the environment truncates.
        cap: Steps after which the episode is cut.
    """

    state: int
    observation: int
    action: int
    hidden: int
    scores: int
    limit: int
    cap: int


def make_loop(kernel: Kernel, policy: Policy) -> Loop:
    """Return the compiled loop for policies of this form.

    It takes (K,) uint64 seeds, the numbers of the policy, the kernel's constants, ``Sizes``, ``Outcomes`` and
    ``Trajectory``.
    """
    # What the loop closes over are plain functions: numba tells loops on disk apart by them.
    start, step, observe, act = kernel.start, kernel.step, kernel.observe, _acting(policy)

    @compiled
    def loop(
        seeds: NDArray[np.uint64], policy: Any, constants: Any, sizes: Sizes, outcomes: Outcomes, trajectory: Trajectory
    ) -> None:
        stream = np.empty(STREAM_SIZE, np.uint64)
        state, action = np.empty(sizes.state), np.empty(sizes.action)
        observation = np.empty(sizes.observation)
        hidden, scores = np.empty(sizes.hidden), np.empty(sizes.scores)
        keep = len(trajectory.rewards) > 0
        for episode in range(len(seeds)):
            seed_stream(stream, seeds[episode])
            start(state, stream, constants)
            observe(state, observation)
            total, time, end = 0.0, 0, 2
            going = True
            while going:
                act(policy, observation, action, hidden, scores)
                if keep:
                    trajectory.observations[time] = observation
                    trajectory.actions[time] = action
                reward, terminated = step(state, action, stream, constants)
                observe(state, observation)
                if keep:
                    trajectory.rewards[time] = reward
                total += reward
                time += 1
                if terminated:
                    end = 0
                elif time >= sizes.limit:
                    end = 1
                going = end == 2 and time < sizes.cap
            if keep:
                trajectory.observations[time] = observation
            outcomes.returns[episode], outcomes.lengths[episode], outcomes.ends[episode] = total, time, end

    return loop


def numbers_of(policy: Policy) -> Any:
    """Return what the loop takes of a policy."""
    if isinstance(policy, NetworkPolicy):
        return policy.network if policy.first_action is None else (policy.network, policy.first_action)
    assert isinstance(policy, TablePolicy)
    return policy.actions


def _acting(policy: Policy) -> Callable[..., None]:
    if isinstance(policy, TablePolicy):
        return _act_by_table
    assert isinstance(policy, NetworkPolicy)
    return _act_continuously if policy.first_action is None else _act_discretely


@inlined
def _act_by_table(policy: Any, observation: Floats, action: Floats, _hidden: Floats, _scores: Floats) -> None:
    action[0] = look_up(policy, int(observation[0]))


@inlined
def _act_discretely(policy: Any, observation: Floats, action: Floats, hidden: Floats, scores: Floats) -> None:
    network, first_action = policy
    action[0] = act_discrete(network, first_action, observation, hidden, scores)


@inlined
def _act_continuously(policy: Any, observation: Floats, action: Floats, hidden: Floats, _scores: Floats) -> None:
    act_continuous(policy, observation, hidden, action)
