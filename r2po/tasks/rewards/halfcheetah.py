"""Reward of HalfCheetah."""

from __future__ import annotations

from typing import Any


def reward(
    obs: list[float], action: list[float], next_obs: list[float], terminated: bool, hidden: dict[str, float]
) -> float:
    """The velocity along x, less a cost for the actions."""
    velocity = (hidden["x_after"] - hidden["x_before"]) / 0.05
    effort = 0.0
    for a in action:
        effort += a * a
    return velocity - 0.1 * effort


def hidden(env: Any) -> dict[str, float]:
    """Read x of the torso."""
    return {"x": float(env.unwrapped.data.qpos[0])}
