"""Reward of Pendulum."""

from __future__ import annotations

import math


def reward(obs: list[float], action: list[float], next_obs: list[float], terminated: bool) -> float:
    """Less, the further from upright, the faster and the stronger the torque, all of them before the step."""
    angle, velocity = math.atan2(obs[1], obs[0]), obs[2]
    torque = min(max(action[0], -2.0), 2.0)
    return -(angle * angle + 0.1 * velocity * velocity + 0.001 * torque * torque)
