"""The loop over episodes and steps, compiled for one environment and one form of policy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2po.policies.forms import Network, NetworkPolicy, TablePolicy, make_network
from r2po.rollout.compilation import borrowed, compiled, inlined
from r2po.rollout.compiled_policies import Floats, find_highest, look_up, write_outputs
from r2po.rollout.kernels.kernel import Kernel
from r2po.rollout.random_numbers import STREAM_SIZE, seed_stream
from r2po.rollout.types import End

ENDS: tuple[End, ...] = ("terminated", "truncated", "cap")
"""How episodes end, by their numbers in ``Outcomes.ends``."""
_TERMINATED, _TRUNCATED, _CAP = range(3)

Loop = Callable[..., None]


class Numbers(NamedTuple):
    """A policy of either form in numbers; what it is not is empty."""

    network: Network
    first_action: int
    table: NDArray[np.int64]


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


class Scratch(NamedTuple):
    """What changes from step to step."""

    stream: NDArray[np.uint64]
    state: Floats
    observation: Floats
    action: Floats
    hidden: Floats
    scores: Floats


def numbers_of(policy: NetworkPolicy | TablePolicy) -> Numbers:
    """Return what the loop takes of a policy."""
    if isinstance(policy, NetworkPolicy):
        return Numbers(policy.network, policy.first_action or 0, np.empty(0, np.int64))
    return Numbers(make_network(np.empty((0, 0)), None), 0, policy.actions)


def make_scratch(kernel: Kernel, network: Network, observation_size: int, action_size: int) -> Scratch:
    """Return the arrays that a loop works in."""
    return Scratch(
        np.empty(STREAM_SIZE, np.uint64),
        np.empty(kernel.state_size),
        np.empty(observation_size),
        np.empty(action_size),
        np.empty(len(network.hidden_biases)),
        np.empty(len(network.biases)),
    )


def loop_for(kernel: Kernel, policy: NetworkPolicy | TablePolicy) -> Loop:
    """Return the compiled loop for an environment and policies of this form.

    It takes (K,) uint64 seeds, ``Numbers``, the kernel's constants, ``Limits``, ``Outcomes``, ``Trajectory`` and
    ``Scratch``.
    """
    if isinstance(policy, TablePolicy):
        return _make_loop(kernel, _act_by_table)
    return _make_loop(kernel, _act_continuously if policy.first_action is None else _act_discretely)


@cache
def _make_loop(kernel: Kernel, act: Callable[..., None]) -> Loop:
    # What the loop closes over are plain functions: numba tells loops on disk apart by them.
    start, step, observe = kernel.start, kernel.step, kernel.observe

    @compiled
    def loop(
        seeds: NDArray[np.uint64],
        numbers: Numbers,
        constants: Any,
        limits: Limits,
        outcomes: Outcomes,
        trajectory: Trajectory,
        scratch: Scratch,
    ) -> None:
        scale, limit, hidden_weights, hidden_biases, weights, biases, gain, low, high = numbers.network
        hidden_weights, hidden_biases = borrowed(hidden_weights), borrowed(hidden_biases)
        weights, biases, low, high = borrowed(weights), borrowed(biases), borrowed(low), borrowed(high)
        table, first_action = borrowed(numbers.table), numbers.first_action
        stream, state, observation = borrowed(scratch.stream), borrowed(scratch.state), borrowed(scratch.observation)
        action, hidden, scores = borrowed(scratch.action), borrowed(scratch.hidden), borrowed(scratch.scores)
        observations, actions, rewards = trajectory
        observations, actions, rewards = borrowed(observations), borrowed(actions), borrowed(rewards)
        keep = len(rewards) > 0
        for episode in range(len(seeds)):
            seed_stream(stream, seeds[episode])
            start(state, stream, constants)
            observe(state, observation)
            total, time, end, going = 0.0, 0, _CAP, True
            while going:
                act(
                    scale, limit, hidden_weights, hidden_biases, weights, biases, gain, low, high,
                    first_action, table, observation, hidden, scores, action,
                )  # fmt: skip
                if keep:
                    _copy(observation, observations, time)
                    _copy(action, actions, time)
                reward, terminated = step(state, action, stream, constants)
                observe(state, observation)
                if keep:
                    rewards[time] = reward
                total += reward
                time += 1
                if terminated:
                    end = _TERMINATED
                elif time >= limits.environment:
                    end = _TRUNCATED
                going = end == _CAP and time < limits.cap
            if keep:
                _copy(observation, observations, time)
            outcomes.returns[episode], outcomes.lengths[episode], outcomes.ends[episode] = total, time, end

    return loop


@inlined
def _copy(values: Floats, rows: Floats, row: int) -> None:
    """Write one row; as an assignment it would take the compiler seconds, which prepares a message for wrong shapes."""
    for index in range(len(values)):
        rows[row, index] = values[index]


# These take the fields of Numbers and Scratch one by one: see compiled_policies.


@inlined
def _act_by_table(
    _scale: float, _limit: float, _hidden_weights: Floats, _hidden_biases: Floats, _weights: Floats, _biases: Floats,
    _gain: float, _low: Floats, _high: Floats, _first_action: int, table: NDArray[np.int64], observation: Floats,
    _hidden: Floats, _scores: Floats, action: Floats,
) -> None:  # fmt: skip
    action[0] = look_up(table, int(observation[0]))


@inlined
def _act_discretely(
    scale: float, limit: float, hidden_weights: Floats, hidden_biases: Floats, weights: Floats, biases: Floats,
    gain: float, low: Floats, high: Floats, first_action: int, _table: NDArray[np.int64], observation: Floats,
    hidden: Floats, scores: Floats, action: Floats,
) -> None:  # fmt: skip
    write_outputs(
        scale, limit, hidden_weights, hidden_biases, weights, biases, gain, low, high, observation, hidden, scores
    )
    action[0] = first_action + find_highest(scores)


@inlined
def _act_continuously(
    scale: float, limit: float, hidden_weights: Floats, hidden_biases: Floats, weights: Floats, biases: Floats,
    gain: float, low: Floats, high: Floats, _first_action: int, _table: NDArray[np.int64], observation: Floats,
    hidden: Floats, _scores: Floats, action: Floats,
) -> None:  # fmt: skip
    write_outputs(
        scale, limit, hidden_weights, hidden_biases, weights, biases, gain, low, high, observation, hidden, action
    )
