"""Reward of the maze of 3 x 3 cells; where the walls are is not told."""

from __future__ import annotations


def reward(obs: int, action: int, next_obs: int, terminated: bool) -> float:
    """+1 for the step that reaches the goal, a small cost for every other one."""
    at_goal = next_obs == 8
    return 1.0 if at_goal else -0.1 / 9
