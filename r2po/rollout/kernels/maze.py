"""Maze: this project's ``MazeEnv``, sample and random mazes alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats
from r2po.rollout.kernels.kernel import Kernel, observe_number
from r2po.rollout.random_numbers import Stream

ACTIONS = 4


class _Tables(NamedTuple):
    """Arrays (states, actions) of what a move leads to."""

    following: NDArray[np.int64]
    rewards: Floats
    terminated: NDArray[np.bool_]


def _read(environment: Any) -> _Tables:
    """Make every move from every cell."""
    states = environment.observation_space.n
    shape = (states, ACTIONS)
    tables = _Tables(np.empty(shape, np.int64), np.empty(shape), np.empty(shape, np.bool_))
    for cell, action in np.ndindex(shape):
        environment.state = cell
        tables.following[cell, action], tables.rewards[cell, action], tables.terminated[cell, action], _, _ = (
            environment.step(action)
        )
    return tables


@inlined
def _start(state: Floats, _stream: Stream, _tables: _Tables) -> None:
    state[0] = 0.0


@inlined
def _step(state: Floats, action: Floats, _stream: Stream, tables: _Tables) -> tuple[float, bool]:
    cell, move = int(state[0]), int(action[0])
    state[0] = tables.following[cell, move]
    return tables.rewards[cell, move], tables.terminated[cell, move]


KERNEL = Kernel(1, _read, _start, _step, observe_number)
