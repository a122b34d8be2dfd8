"""Reward of the point mazes."""

from __future__ import annotations

import math


def reward(obs: list[float], action: list[float], next_obs: list[float], terminated: bool) -> float:
    """+1 for every step that ends within 0.45 m of the goal."""
    x, y, _, _, goal_x, goal_y = next_obs
    return 1.0 if math.hypot(x - goal_x, y - goal_y) <= 0.45 else 0.0
