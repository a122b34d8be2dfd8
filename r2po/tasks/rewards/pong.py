"""Reward of Pong."""

from __future__ import annotations


def reward(obs: list[float], action: int, next_obs: list[float], terminated: bool) -> float:
    """+1 when your paddle returns the ball: it flew towards you and now flies away."""
    dx, next_dx = obs[3], next_obs[3]
    return 1.0 if dx < 0 < next_dx else 0.0
