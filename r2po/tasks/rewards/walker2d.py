"""Reward of Walker2d."""

from __future__ import annotations

from typing import Any


def reward(
    obs: list[float], action: list[float], next_obs: list[float], terminated: bool, hidden: dict[str, float]
) -> float:
    """The velocity along x, a bonus for every step after which it stands, and a cost for the actions."""
    velocity = (hidden["x_after"] - hidden["x_before"]) / 0.008
    bonus = 0.0 if terminated else 1.0
    effort = 0.0
    for a in action:
        effort += a * a
    return velocity + bonus - 0.001 * effort


def hidden(env: Any) -> dict[str, float]:
    """Read x of the torso."""
    return {"x": float(env.unwrapped.data.qpos[0])}
