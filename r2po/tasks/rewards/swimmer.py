"""Reward of Swimmer."""

from __future__ import annotations

from typing import Any


def reward(
    obs: list[float], action: list[float], next_obs: list[float], terminated: bool, hidden: dict[str, float]
) -> float:
    """The velocity along x, less a cost for the actions."""
    velocity = (hidden["x_after"] - hidden["x_before"]) / 0.04
    effort = action[0] * action[0] + action[1] * action[1]
    return velocity - 0.0001 * effort


def hidden(env: Any) -> dict[str, float]:
    """Read x of the front link's reference point."""
    return {"x": float(env.unwrapped.data.qpos[0])}
