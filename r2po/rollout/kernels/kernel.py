"""What the kernel of an environment consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats
from r2po.rollout.random_numbers import Stream


@dataclass(frozen=True)
class Kernel:
    """An environment's dynamics as functions that can be compiled (``@inlined``), bit for bit those of its ``step``.

    The state and the action are float64 arrays; numbered states and actions are their only element.

    Attributes:
        state_size: Number of values that the state has.
        read: Takes from the environment (unwrapped) the constants that the dynamics need, as numba takes them: a
            NamedTuple of numbers and arrays.
        start: (state, stream, constants) -> None; writes the first state as ``reset`` with the stream's seed does.
        step: (state, action, stream, constants) -> (reward, terminated); changes the state.
        observe: (state, observation) -> None; writes the observation.
    """

    state_size: int
    read: Callable[[Any], Any]
    start: Callable[[Floats, Stream, Any], None]
    step: Callable[[Floats, Floats, Stream, Any], tuple[float, bool]]
    observe: Callable[[Floats, Floats], None]


def read_fields(fields: tuple[str, ...], environment: Any) -> list[float]:
    """Return attributes of an environment as numbers."""
    return [float(getattr(environment, field)) for field in fields]


@inlined
def observe_number(state: Floats, observation: Floats) -> None:
    """Write the number of the state."""
    observation[0] = state[0]


@inlined
def observe_rounded(state: Floats, observation: Floats) -> None:
    """Write the first values of the state, as many as are observed, rounded to float32."""
    for index in range(len(observation)):
        observation[index] = np.float32(state[index])
