"""Reward of all boards of noise_world."""

from __future__ import annotations

import math


def reward(obs: list[float], action: int, next_obs: list[float], terminated: bool) -> float:
    """-1 for every step, n**3 more at the goal, n**5 less in a trap."""
    n = math.isqrt(len(obs) - 4)  # cells per side
    if not terminated:
        return -1.0
    at_goal = (next_obs[0], next_obs[1]) == (next_obs[2], next_obs[3])
    return -1.0 + n**3 if at_goal else -1.0 - n**5
