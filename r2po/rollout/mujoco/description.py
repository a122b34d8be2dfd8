"""What compiled episodes need to know about a MuJoCo environment, as data: start, observation, reward and end.

All environments are told in the same terms, so that one compiled loop runs them all.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

# What an observed number is made from the number it is read from.
PLAIN, CLIPPED, SINE, COSINE, DIFFERENCE = range(5)

# When a number passes a check.
OPEN, CLOSED, NOT_BELOW = range(3)

# How rewards are computed.
ALIVE, BALANCE, MOVE, RISE, REACH = range(5)

UNBOUNDED = (-math.inf, math.inf)

MOST_SQUARES = 128
"""Sums of more squares are added in another order."""


class Number(NamedTuple):
    """A number of an ``MjData``.

    Attributes:
        field: Name of the array.
        place: Where in the array it is, in C order.
    """

    field: str
    place: int


def numbers(field: str, places: Iterable[int]) -> tuple[Number, ...]:
    """Return several numbers of one array."""
    return tuple(Number(field, place) for place in places)


@dataclass(frozen=True)
class Seen:
    """A number of the observation.

    Attributes:
        number: What it is read from.
        function: ``PLAIN``, ``CLIPPED`` to ``bounds``, ``SINE``, ``COSINE``, or ``DIFFERENCE``: less ``minus``.
        bounds: Lower and upper bound.
        minus: What is subtracted.
    """

    number: Number
    function: int = PLAIN
    bounds: tuple[float, float] = UNBOUNDED
    minus: Number | None = None


@dataclass(frozen=True)
class Check:
    """What must hold of a number in a healthy state; not a number is ``NOT_BELOW`` anything, and passes nothing else.

    Attributes:
        number: What is checked.
        kind: ``OPEN``: low < number < high; ``CLOSED``: low <= number <= high; ``NOT_BELOW``: not number <= low.
        bounds: Low and high.
    """

    number: Number
    kind: int
    bounds: tuple[float, float]


FINITE = (-sys.float_info.max, sys.float_info.max)
"""The bounds of a ``CLOSED`` check for a finite number."""


@dataclass(frozen=True)
class Target:
    """Two positions that are drawn again until their distance from the origin is right.

    Attributes:
        place: Index of the first in the positions.
        low: Lower bounds of the two draws.
        high: Upper bounds.
        radius: Their distance is less than this, or more.
        inside: Whether it is less.
    """

    place: int
    low: tuple[float, float]
    high: tuple[float, float]
    radius: float
    inside: bool


@dataclass(frozen=True)
class Start:
    """How an episode starts: positions are drawn, then a target, then velocities.

    Attributes:
        positions: (nq,) before the noise.
        velocities: (nv,) likewise.
        position_noise: Positions deviate uniformly by at most this; None: nothing is drawn.
        velocity_noise: Likewise for velocities; the standard deviation if ``normal``.
        normal: Whether velocities deviate normally.
        target: What is drawn in between.
        still: How many of the last velocities are 0 after all.
    """

    positions: tuple[float, ...]
    velocities: tuple[float, ...]
    position_noise: float | None
    velocity_noise: float
    normal: bool = False
    target: Target | None = None
    still: int = 0


@dataclass(frozen=True)
class Contact:
    """The cost of external forces: ``weight`` times the sum of their squares.

    Attributes:
        weight: Weight of the sum.
        force_bounds: Each force is first clipped to these bounds.
        cost_bounds: In the end, the cost is clipped to these.
    """

    weight: float
    force_bounds: tuple[float, float] = UNBOUNDED
    cost_bounds: tuple[float, float] = UNBOUNDED


@dataclass(frozen=True)
class Reward:
    """The reward of a step.

    ``effort`` is ``control_weight`` times the sum of the squared action; ``bonus`` that of the state, healthy or not.

    - ``ALIVE``: bonus.
    - ``BALANCE``: bonus, less what a double pendulum loses by the place of its tip (two operands) and by two speeds.
    - ``MOVE``: (forward_weight * speed + bonus) - (effort + contact), where the speed is that of the mean of the
      operands, weighted with ``weights``, whose sum is ``scale``.
    - ``RISE``: operand / seconds - effort - contact + 1.
    - ``REACH``: minus weighted distances and effort; six operands and one weight per distance, from three to three.

    Attributes:
        kind: One of these.
        operands: Numbers that it is computed from.
        weights: Their weights.
        scale: Divides a weighted sum.
        seconds: Seconds per control step, for ``RISE`` per physics step.
        forward_weight: Weight of the speed.
        control_weight: Weight of the effort.
        applied: Whether the effort is that of what MuJoCo applied, which it clears when the physics diverge.
        bonus: Of a healthy state, and of any other; -0.0 adds nothing, not even to -0.0.
        contact: Cost of contacts, if any.
    """

    kind: int
    operands: tuple[Number, ...] = ()
    weights: tuple[float, ...] = ()
    scale: float = 1.0
    seconds: float = 1.0
    forward_weight: float = 0.0
    control_weight: float = 0.0
    applied: bool = False
    bonus: tuple[float, float] = (-0.0, -0.0)
    contact: Contact | None = None


@dataclass(frozen=True)
class Description:
    """An environment.

    Attributes:
        frame_skip: Physics steps per control step.
        start: How episodes start.
        observation: (d,) what is observed.
        reward: The reward of a step.
        checks: What a healthy state passes.
        terminates: Whether any other state ends the episode.
        forces: Whether the external forces on the bodies are needed, which a further call computes after each step.
    """

    frame_skip: int
    start: Start
    observation: tuple[Seen, ...]
    reward: Reward
    checks: tuple[Check, ...] = ()
    terminates: bool = False
    forces: bool = False
