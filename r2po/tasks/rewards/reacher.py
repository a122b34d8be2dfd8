"""Reward of Reacher."""

from __future__ import annotations

import math


def reward(obs: list[float], action: list[float], next_obs: list[float], terminated: bool) -> float:
    """Minus the distance from the fingertip to the target, less a cost for the actions."""
    distance = math.hypot(next_obs[8], next_obs[9])
    effort = action[0] * action[0] + action[1] * action[1]
    return -distance - effort
