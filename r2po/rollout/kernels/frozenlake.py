"""FrozenLake: Gymnasium's ``FrozenLakeEnv`` with any map, slippery or not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats
from r2po.rollout.kernels.kernel import Kernel, observe_number
from r2po.rollout.random_numbers import Stream, draw_unit


class _Tables(NamedTuple):
    """The environment's ``P``: arrays (states, actions, outcomes), and the cumulative probability of first states.

    What states and actions lack in outcomes has a cumulative probability that no draw is below.
    """

    first: Floats
    cumulative: Floats
    following: NDArray[np.int64]
    rewards: Floats
    terminated: NDArray[np.bool_]


def _read(environment: Any) -> _Tables:
    transitions = environment.P
    outcomes = max(len(entry) for actions in transitions.values() for entry in actions.values())
    shape = (len(transitions), len(transitions[0]), outcomes)
    tables = _Tables(
        first=np.cumsum(environment.initial_state_distrib),
        cumulative=np.full(shape, -1.0),
        following=np.zeros(shape, np.int64),
        rewards=np.zeros(shape),
        terminated=np.zeros(shape, np.bool_),
    )
    for state, action in np.ndindex(shape[:2]):
        entry = transitions[state][action]
        cell = (state, action, slice(len(entry)))
        tables.cumulative[cell] = np.cumsum([probability for probability, *_ in entry])
        tables.following[cell] = [following for _, following, _, _ in entry]
        tables.rewards[cell] = [reward for _, _, reward, _ in entry]
        tables.terminated[cell] = [terminated for *_, terminated in entry]
    return tables


@inlined
def _start(state: Floats, stream: Stream, tables: _Tables) -> None:
    state[0] = _sample(tables.first, stream)


@inlined
def _step(state: Floats, action: Floats, stream: Stream, tables: _Tables) -> tuple[float, bool]:
    here, move = int(state[0]), int(action[0])
    outcome = _sample(tables.cumulative[here, move], stream)
    state[0] = tables.following[here, move, outcome]
    return tables.rewards[here, move, outcome], tables.terminated[here, move, outcome]


@inlined
def _sample(cumulative: Floats, stream: Stream) -> int:
    """Return the first index whose cumulative probability exceeds a draw, or 0 where rounding left none."""
    draw = draw_unit(stream)
    for index in range(len(cumulative)):
        if cumulative[index] > draw:
            return index
    return 0


KERNEL = Kernel(1, _read, _start, _step, observe_number)
