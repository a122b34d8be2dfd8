"""Reward of InvertedDoublePendulum."""

from __future__ import annotations

from typing import Any


def reward(
    obs: list[float], action: list[float], next_obs: list[float], terminated: bool, hidden: dict[str, float]
) -> float:
    """A bonus for standing, less what the tip is away from (0, 2) and the poles move."""
    x, y = hidden["tip_x_after"], hidden["tip_y_after"]
    v1, v2 = hidden["v1_after"], hidden["v2_after"]
    distance = 0.01 * x**2 + (y - 2) ** 2
    speed = 0.001 * v1**2 + 0.005 * v2**2
    bonus = 0.0 if terminated else 10.0
    return bonus - distance - speed


def hidden(env: Any) -> dict[str, float]:
    """Read the second pole's tip, and the angular velocities, which observations clip."""
    data = env.unwrapped.data
    tip_x, _, tip_y = data.site_xpos[0].tolist()
    _, v1, v2 = data.qvel.tolist()
    return {"tip_x": tip_x, "tip_y": tip_y, "v1": v1, "v2": v2}
