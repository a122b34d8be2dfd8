"""Reward of FrozenLake; where the holes are is not told."""

from __future__ import annotations


def reward(obs: int, action: int, next_obs: int, terminated: bool) -> float:
    """+1 for the step that reaches the goal."""
    at_goal = next_obs == 15
    return 1.0 if at_goal else 0.0
