"""CartPole: Gymnasium's ``CartPoleEnv`` (Barto, Sutton and Anderson, 1983)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats
from r2po.rollout.kernels.kernel import Kernel, observe_rounded, read_fields
from r2po.rollout.random_numbers import Stream, draw_uniform


class _Constants(NamedTuple):
    gravity: float
    masspole: float
    total_mass: float
    length: float
    polemass_length: float
    force_mag: float
    tau: float
    x_threshold: float
    theta_threshold_radians: float
    upright: float
    fallen: float


def _read(environment: Any) -> _Constants:
    sutton_barto = environment._sutton_barto_reward
    rewards = (0.0, -1.0) if sutton_barto else (1.0, 1.0)
    return _Constants(*read_fields(_Constants._fields[:-2], environment), *rewards)  # type: ignore[call-arg]


@inlined
def _start(state: Floats, stream: Stream, _constants: _Constants) -> None:
    for index in range(4):
        state[index] = draw_uniform(stream, -0.05, 0.05)


@inlined
def _step(state: Floats, action: Floats, _stream: Stream, constants: _Constants) -> tuple[float, bool]:
    x, x_dot, theta, theta_dot = state
    force = constants.force_mag if action[0] == 1.0 else -constants.force_mag
    cosine, sine = math.cos(theta), math.sin(theta)
    push = (force + constants.polemass_length * (theta_dot * theta_dot) * sine) / constants.total_mass
    theta_acceleration = (constants.gravity * sine - cosine * push) / (
        constants.length * (4.0 / 3.0 - constants.masspole * (cosine * cosine) / constants.total_mass)
    )
    x_acceleration = push - constants.polemass_length * theta_acceleration * cosine / constants.total_mass
    state[0] = x = x + constants.tau * x_dot
    state[1] = x_dot + constants.tau * x_acceleration
    state[2] = theta = theta + constants.tau * theta_dot
    state[3] = theta_dot + constants.tau * theta_acceleration
    terminated = abs(x) > constants.x_threshold or abs(theta) > constants.theta_threshold_radians
    return constants.fallen if terminated else constants.upright, terminated


KERNEL = Kernel(4, _read, _start, _step, observe_rounded)
