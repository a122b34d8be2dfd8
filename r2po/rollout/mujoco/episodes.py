"""Whole episodes of the MuJoCo environments, compiled; several threads can share the episodes of an evaluation."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2po.policies.forms import Network
from r2po.rollout.compilation import compiled, inlined
from r2po.rollout.compiled_engine import Floats, Limits, Outcomes, Seeds, Trajectory
from r2po.rollout.compiled_policies import act_continuous
from r2po.rollout.kernels.loop import GOING, copy_row, end_of
from r2po.rollout.mujoco.calls import claim
from r2po.rollout.mujoco.constants import Constants
from r2po.rollout.mujoco.description import MOVE
from r2po.rollout.mujoco.library import Simulation
from r2po.rollout.mujoco.parts import advance, is_healthy, observe, position_of, reset, reward_of
from r2po.rollout.random_numbers import STREAM_SIZE, seed_stream

NONE = -1
"""In the place of an episode's number: none is under way."""


class Progress(NamedTuple):
    """How far a thread is in an episode.

    Attributes:
        place: (2,) number of the episode, or ``NONE``, and the steps that were made in it.
        total: (1,) sum of its rewards so far.
    """

    place: NDArray[np.int64]
    total: Floats


def make_progress() -> Progress:
    """Return the progress of a thread that has not begun."""
    return Progress(np.array([NONE, 0]), np.zeros(1))


@inlined
def _take(queue: NDArray[np.int64], count: int) -> int:
    """Return the number of the next episode that nobody has begun, or ``NONE``."""
    if queue[0] >= count:
        return NONE
    episode: int = claim(queue.ctypes.data)
    return episode if episode < count else NONE


@compiled
def run_episodes(
    simulation: Simulation,
    constants: Constants,
    limits: Limits,
    network: Network,
    seeds: Seeds,
    outcomes: Outcomes,
    trajectory: Trajectory,
    queue: NDArray[np.int64],
    progress: Progress,
    budget: int,
) -> bool:
    """Make up to ``budget`` steps of the episodes of K seeds; return whether none is left to begin or to continue.

    An episode is taken by who first adds 1 to ``queue``, (1,), the number of the next one. One that the budget
    interrupts is continued by the next call with the same simulation and progress.
    """
    stream = np.empty(STREAM_SIZE, np.uint64)
    hidden = np.empty(len(network.hidden_biases))
    squares = np.empty(max(len(simulation.ctrl), len(simulation.forces)))
    action, observation = np.empty(len(simulation.ctrl)), np.empty(len(simulation.observed))
    seen, reward = constants.observation, constants.reward
    moves, keep = reward.kind == MOVE, len(trajectory.rewards) > 0
    episode, time, total = progress.place[0], progress.place[1], progress.total[0]
    if episode != NONE:
        observe(simulation, seen, observation)
    while True:
        if episode == NONE:
            episode, time, total = _take(queue, len(seeds)), 0, 0.0
            if episode == NONE:
                break
            seed_stream(stream, seeds[episode])
            reset(simulation, constants.start, stream)
            observe(simulation, seen, observation)
        end = GOING
        while end == GOING and budget > 0:
            act_continuous(network, observation, hidden, action)
            if keep:
                copy_row(observation, trajectory.observations, time)
                copy_row(action, trajectory.actions, time)
            before = position_of(simulation, reward) if moves else math.nan
            advance(simulation, constants.frame_skip, action)
            observe(simulation, seen, observation)
            healthy = is_healthy(simulation, seen)
            gained = reward_of(simulation, reward, before, action, squares, healthy)
            if keep:
                trajectory.rewards[time] = gained
            total += gained
            time += 1
            budget -= 1
            end = end_of(limits, time, seen.terminates and not healthy)
        if end == GOING:
            break
        if keep:
            copy_row(observation, trajectory.observations, time)
        outcomes.returns[episode], outcomes.lengths[episode], outcomes.ends[episode] = total, time, end
        episode = NONE
    progress.place[0], progress.place[1], progress.total[0] = episode, time, total
    return bool(episode == NONE)
