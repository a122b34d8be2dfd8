"""MountainCarContinuous: Gymnasium's ``Continuous_MountainCarEnv``, with the mixed precision of its arithmetic.

Its state is float64 after a reset and float32 after a step. numpy adds and compares a float32 with Python's own numbers
in float32, and with its own float64 in float64. A position or velocity that was cut to its bound is one of Python's
numbers, and so is a force that was cut; a force within its bounds is numpy's.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats
from r2po.rollout.kernels.kernel import Kernel, observe_rounded, read_fields
from r2po.rollout.random_numbers import Stream, draw_uniform


class _Constants(NamedTuple):
    min_action: float
    max_action: float
    min_position: float
    max_position: float
    max_speed: float
    goal_position: float
    goal_velocity: float
    power: float
    # Not written as a literal, which the compiler would turn into a product: the C library's pow rounds differently.
    exponent: float


def _read(environment: Any) -> _Constants:
    return _Constants(*read_fields(_Constants._fields[:-1], environment), 2.0)  # type: ignore[call-arg]


@inlined
def _start(state: Floats, stream: Stream, _constants: _Constants) -> None:
    state[0] = draw_uniform(stream, -0.6, -0.4)
    state[1] = 0.0
    state[2] = 1.0  # whether the state is float64


@inlined
def _step(state: Floats, action: Floats, _stream: Stream, constants: _Constants) -> tuple[float, bool]:
    position, velocity, wide = state[0], state[1], state[2] == 1.0
    force = min(max(action[0], constants.min_action), constants.max_action)
    push = force * constants.power - 0.0025 * math.cos(_rounded(3.0 * position, wide))

    velocity_wide = wide or force == action[0]
    velocity = _rounded(velocity + _rounded(push, velocity_wide), velocity_wide)
    limit = _rounded(constants.max_speed, velocity_wide)
    velocity_cut = velocity > limit or velocity < -limit
    if velocity_cut:
        velocity = math.copysign(constants.max_speed, velocity)

    position_wide = wide or (velocity_wide and not velocity_cut)
    position = _rounded(position + _rounded(velocity, position_wide), position_wide)
    cut = False
    if position > _rounded(constants.max_position, position_wide):
        position, cut = constants.max_position, True
    if position < _rounded(constants.min_position, position_wide or cut):
        position, cut = constants.min_position, True
    if position == _rounded(constants.min_position, position_wide or cut) and velocity < 0.0:
        velocity, velocity_cut = 0.0, True

    terminated = position >= _rounded(constants.goal_position, position_wide or cut)
    terminated = terminated and velocity >= _rounded(constants.goal_velocity, velocity_wide or velocity_cut)
    state[0], state[1], state[2] = np.float32(position), np.float32(velocity), 0.0
    return (100.0 if terminated else 0.0) - math.pow(action[0], constants.exponent) * 0.1, terminated


@inlined
def _rounded(value: float, wide: bool) -> float:
    """Return the value in float64, or rounded to float32."""
    return value if wide else float(np.float32(value))


KERNEL = Kernel(3, _read, _start, _step, observe_rounded)
