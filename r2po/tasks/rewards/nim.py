"""Reward of Nim."""

from __future__ import annotations


def reward(obs: int, action: int, next_obs: int, terminated: bool) -> float:
    """+1 if the opponent takes the last stick, -1 if you take it or want more sticks than are left."""
    if not terminated:
        return 0.0
    return -1.0 if action >= obs else 1.0
