"""What several of the MuJoCo environments share, read from an environment by the names that Gymnasium uses."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import partial
from typing import Any

from r2po.rollout.mujoco.description import (
    CLIPPED,
    CLOSED,
    FINITE,
    MOVE,
    OPEN,
    Check,
    Contact,
    Description,
    Number,
    Reward,
    Seen,
    Start,
    numbers,
)

SPEED_LIMIT = (-10.0, 10.0)
"""Between these, some observations show velocities."""


def describe_runner(
    base: Any, *, hidden: int = 1, normal: bool = False, clipped: bool = False, checks: tuple[Check, ...] = ()
) -> Description:
    """Describe an environment that sees positions and velocities, and is to move along the first position."""
    _, qvel = state_of(base)
    seen = partial(Seen, function=CLIPPED, bounds=SPEED_LIMIT) if clipped else Seen
    positions = shown_state(base, hidden)[: -len(qvel)]
    return Description(
        frame_skip=base.frame_skip,
        start=shaken_start(base, normal=normal),
        observation=(*seen_as_is(positions), *(seen(number) for number in qvel)),
        reward=moving_reward(base, operands=(Number("qpos", 0),)),
        checks=checks,
        terminates=getattr(base, "_terminate_when_unhealthy", False),
    )


def moving_reward(
    base: Any,
    operands: tuple[Number, ...],
    *,
    weights: tuple[float, ...] = (1.0,),
    scale: float = 1.0,
    applied: bool = False,
    contact: Contact | None = None,
) -> Reward:
    """Return the reward of a movement, whose other weights are those of the environment."""
    return Reward(
        MOVE,
        operands=operands,
        weights=weights,
        scale=scale,
        seconds=float(base.dt),
        forward_weight=float(base._forward_reward_weight),
        control_weight=float(base._ctrl_cost_weight),
        applied=applied,
        bonus=bonus_of(base) if hasattr(base, "_healthy_reward") else Reward.bonus,
        contact=contact,
    )


def bonus_of(base: Any) -> tuple[float, float]:
    """Return what a healthy state is worth, and any other, as Gymnasium computes it: by a product with a truth."""
    return float(operator.mul(True, base._healthy_reward)), float(operator.mul(False, base._healthy_reward))


def shaken_start(base: Any, *, normal: bool = False) -> Start:
    """Return a start that deviates from the initial state by the noise of the environment."""
    noise = float(base._reset_noise_scale)
    return Start(tuple(base.init_qpos), tuple(base.init_qvel), noise, noise, normal)


def state_of(base: Any) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """Return all positions and all velocities."""
    return numbers("qpos", range(base.model.nq)), numbers("qvel", range(base.model.nv))


def shown_state(base: Any, hidden: int) -> tuple[Number, ...]:
    """Return positions and velocities, without the first so many positions unless they are asked for."""
    qpos, qvel = state_of(base)
    return (*qpos[hidden if base._exclude_current_positions_from_observation else 0 :], *qvel)


def felt_numbers(base: Any) -> tuple[Number, ...]:
    """Return what a humanoid sees besides positions and velocities: all but the world's part of some arrays."""
    data = base.data
    parts = (
        (base._include_cinert_in_observation, "cinert", 10),
        (base._include_cvel_in_observation, "cvel", 6),
        (base._include_qfrc_actuator_in_observation, "qfrc_actuator", 6),
        (base._include_cfrc_ext_in_observation, "cfrc_ext", 6),
    )
    return tuple(
        number
        for included, field, world in parts
        if included
        for number in numbers(field, range(world, getattr(data, field).size))
    )


def seen_as_is(all_seen: Iterable[Number]) -> tuple[Seen, ...]:
    """Return an observation of these numbers as they are."""
    return tuple(Seen(number) for number in all_seen)


def finite_checks(state: Iterable[Number]) -> tuple[Check, ...]:
    """Return the checks for finite numbers."""
    return tuple(Check(number, CLOSED, FINITE) for number in state)


def upright_checks(base: Any) -> tuple[Check, ...]:
    """Return the checks of the height and the angle of a body."""
    height, angle = numbers("qpos", (1, 2))
    return (
        Check(height, OPEN, bounds_of(base._healthy_z_range)),
        Check(angle, OPEN, bounds_of(base._healthy_angle_range)),
    )


def body_position(base: Any, name: str) -> tuple[Number, ...]:
    """Return the position of a body."""
    first = 3 * base.data.body(name).id
    return numbers("xpos", range(first, first + 3))


def bounds_of(bounds: Iterable[float]) -> tuple[float, float]:
    """Return bounds as they come from a config."""
    low, high = bounds
    return float(low), float(high)
