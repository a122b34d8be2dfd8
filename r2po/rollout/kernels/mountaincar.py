"""MountainCar: Gymnasium's ``MountainCarEnv`` (Moore, 1990)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats
from r2po.rollout.kernels.kernel import Kernel, observe_rounded, read_fields
from r2po.rollout.random_numbers import Stream, draw_uniform


class _Constants(NamedTuple):
    min_position: float
    max_position: float
    max_speed: float
    goal_position: float
    goal_velocity: float
    force: float
    gravity: float


def _read(environment: Any) -> _Constants:
    return _Constants(*read_fields(_Constants._fields, environment))


@inlined
def _start(state: Floats, stream: Stream, _constants: _Constants) -> None:
    state[0] = draw_uniform(stream, -0.6, -0.4)
    state[1] = 0.0


@inlined
def _step(state: Floats, action: Floats, _stream: Stream, constants: _Constants) -> tuple[float, bool]:
    position, velocity = state
    velocity += (action[0] - 1.0) * constants.force + math.cos(3.0 * position) * -constants.gravity
    velocity = min(max(velocity, -constants.max_speed), constants.max_speed)
    position += velocity
    position = min(max(position, constants.min_position), constants.max_position)
    if position == constants.min_position and velocity < 0.0:
        velocity = 0.0
    state[0], state[1] = position, velocity
    return -1.0, position >= constants.goal_position and velocity >= constants.goal_velocity


KERNEL = Kernel(2, _read, _start, _step, observe_rounded)
