"""The loop over episodes and steps, compiled for one environment and one form of policy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2po.policies.forms import CompiledForm, Network, TablePolicy, make_network
from r2po.rollout.compilation import borrowed, compiled, inlined
from r2po.rollout.compiled_engine import ENDS, Floats, Limits, Outcomes, Seeds, Trajectory
from r2po.rollout.compiled_policies import find_highest, write_outputs
from r2po.rollout.kernels.kernel import Kernel
from r2po.rollout.random_numbers import STREAM_SIZE, seed_stream

_TERMINATED, _TRUNCATED, _CAP = (ENDS.index(end) for end in ("terminated", "truncated", "cap"))
GOING = -1
"""In the place of an end's number: the episode goes on."""

_NO_NETWORK = make_network(np.empty((0, 0)), None)


class Numbers(NamedTuple):
    """A policy of either form in numbers; what it is not is empty."""

    network: Network
    first_action: int
    table: NDArray[np.int64]


class Scratch(NamedTuple):
    """What changes from step to step; ``outputs`` of a network are its scores, or the same array as ``action``."""

    stream: NDArray[np.uint64]
    state: Floats
    observation: Floats
    action: Floats
    hidden: Floats
    outputs: Floats


def play(
    kernel: Kernel,
    policy: CompiledForm,
    seeds: Seeds,
    constants: Any,
    limits: Limits,
    outcomes: Outcomes,
    trajectory: Trajectory,
) -> None:
    """Play an episode from each of K seeds; ``constants`` are those that the kernel read from the environment.

    Fills the outcomes and, if it has room, the trajectory.
    """
    if isinstance(policy, TablePolicy):
        numbers, by_table, by_score = Numbers(_NO_NETWORK, 0, policy.actions), True, False
    else:
        numbers = Numbers(policy.network, policy.first_action or 0, np.empty(0, np.int64))
        by_table, by_score = False, policy.first_action is not None
    action = np.empty(trajectory.actions.shape[1])
    scratch = Scratch(
        np.empty(STREAM_SIZE, np.uint64),
        np.empty(kernel.state_size),
        np.zeros(trajectory.observations.shape[1]),
        action,
        np.empty(len(numbers.network.hidden_biases)),
        np.empty(len(numbers.network.biases)) if by_score else action,
    )
    _make_loop(kernel, by_table, by_score)(seeds, numbers, constants, limits, outcomes, trajectory, scratch)


@cache
def _make_loop(kernel: Kernel, by_table: bool, by_score: bool) -> Callable[..., None]:
    # What the loop closes over are plain functions and truth values: numba tells loops on disk apart by them.
    start, step, observe = kernel.start, kernel.step, kernel.observe

    @compiled
    def loop(
        seeds: Seeds,
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
        action, hidden, outputs = borrowed(scratch.action), borrowed(scratch.hidden), borrowed(scratch.outputs)
        observations, actions, rewards = trajectory
        observations, actions, rewards = borrowed(observations), borrowed(actions), borrowed(rewards)
        keep = len(rewards) > 0
        for episode in range(len(seeds)):
            seed_stream(stream, seeds[episode])
            start(state, stream, constants)
            observe(state, observation)
            total, time, end = 0.0, 0, GOING
            while end == GOING:
                if by_table:
                    action[0] = table[int(observation[0])]
                else:
                    write_outputs(
                        scale, limit, hidden_weights, hidden_biases, weights, biases, gain, low, high,
                        observation, hidden, outputs,
                    )  # fmt: skip
                    if by_score:
                        action[0] = first_action + find_highest(outputs)
                if keep:
                    copy_row(observation, observations, time)
                    copy_row(action, actions, time)
                reward, terminated = step(state, action, stream, constants)
                observe(state, observation)
                if keep:
                    rewards[time] = reward
                total += reward
                time += 1
                end = end_of(limits, time, terminated)
            if keep:
                copy_row(observation, observations, time)
            outcomes.returns[episode], outcomes.lengths[episode], outcomes.ends[episode] = total, time, end

    return loop


@inlined
def end_of(limits: Limits, time: int, terminated: bool) -> int:
    """Return how an episode has ended after ``time`` steps, as a number of ``ENDS``, or ``GOING``."""
    if terminated:
        return _TERMINATED
    if time >= limits.environment:
        return _TRUNCATED
    return _CAP if time >= limits.cap else GOING


@inlined
def copy_row(values: Floats, rows: Floats, row: int) -> None:
    """Write one row. An assignment would take seconds to compile: the compiler prepares a message for wrong shapes."""
    for index in range(len(values)):
        rows[row, index] = values[index]
