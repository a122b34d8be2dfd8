"""The description of an environment as numbers for compiled code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2po.rollout.mujoco.description import UNBOUNDED, Contact, Description, Target
from r2po.rollout.mujoco.norms import are_fused

Floats = NDArray[np.float64]
Kinds = NDArray[np.int64]

NOWHERE = -1


class StartConstants(NamedTuple):
    """How an episode starts, see ``Start``; ``place`` is ``NOWHERE`` if there is no target."""

    positions: Floats
    velocities: Floats
    shakes_positions: bool
    position_noise: float
    velocity_noise: float
    normal: bool
    place: int
    low: tuple[float, float]
    high: tuple[float, float]
    radius: float
    inside: bool
    fused: bool
    still: int


class ObservationConstants(NamedTuple):
    """What is observed and checked: functions and bounds, (d,) of the observation and (c,) of the checks."""

    functions: Kinds
    low: Floats
    high: Floats
    checks: Kinds
    check_low: Floats
    check_high: Floats
    terminates: bool


class RewardConstants(NamedTuple):
    """The reward of a step, see ``Reward`` and ``Contact``.

    ``two`` is the exponent of squares that Gymnasium computes with ``**``, that is the C library's ``pow``. Compilers
    turn ``pow`` with a constant exponent into a product, which rounds differently. ``fused``: see ``are_fused``.
    """

    kind: int
    weights: Floats
    scale: float
    seconds: float
    forward_weight: float
    control_weight: float
    applied: bool
    bonus: tuple[float, float]
    costs_contact: bool
    contact_weight: float
    force_bounds: tuple[float, float]
    cost_bounds: tuple[float, float]
    fused: bool
    two: float = 2.0


class Constants(NamedTuple):
    """All constants of an environment."""

    frame_skip: int
    start: StartConstants
    observation: ObservationConstants
    reward: RewardConstants


def constants_of(description: Description) -> Constants:
    """Return the constants of an environment."""
    return Constants(description.frame_skip, _start(description), _observation(description), _reward(description))


def _start(description: Description) -> StartConstants:
    start = description.start
    target = start.target or Target(NOWHERE, (0.0, 0.0), (0.0, 0.0), 0.0, inside=True)
    return StartConstants(
        positions=_floats(start.positions),
        velocities=_floats(start.velocities),
        shakes_positions=start.position_noise is not None,
        position_noise=start.position_noise or 0.0,
        velocity_noise=start.velocity_noise,
        normal=start.normal,
        place=target.place,
        low=target.low,
        high=target.high,
        radius=target.radius,
        inside=target.inside,
        fused=bool(are_fused()),
        still=start.still,
    )


def _observation(description: Description) -> ObservationConstants:
    seen, checks = description.observation, description.checks
    return ObservationConstants(
        functions=_kinds(each.function for each in seen),
        low=_floats(each.bounds[0] for each in seen),
        high=_floats(each.bounds[1] for each in seen),
        checks=_kinds(check.kind for check in checks),
        check_low=_floats(check.bounds[0] for check in checks),
        check_high=_floats(check.bounds[1] for check in checks),
        terminates=description.terminates,
    )


def _reward(description: Description) -> RewardConstants:
    reward = description.reward
    contact = reward.contact or Contact(0.0, UNBOUNDED, UNBOUNDED)
    return RewardConstants(
        kind=reward.kind,
        weights=_floats(reward.weights),
        scale=reward.scale,
        seconds=reward.seconds,
        forward_weight=reward.forward_weight,
        control_weight=reward.control_weight,
        applied=reward.applied,
        bonus=reward.bonus,
        costs_contact=reward.contact is not None,
        contact_weight=contact.weight,
        force_bounds=contact.force_bounds,
        cost_bounds=contact.cost_bounds,
        fused=bool(are_fused()),
    )


def _floats(values: Iterable[float]) -> Floats:
    return np.array([float(value) for value in values], np.float64)


def _kinds(values: Iterable[int]) -> Kinds:
    return np.array(list(values), np.int64)
