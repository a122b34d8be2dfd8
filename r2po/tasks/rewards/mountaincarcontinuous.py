"""Reward of MountainCarContinuous."""

from __future__ import annotations


def reward(obs: list[float], action: list[float], next_obs: list[float], terminated: bool) -> float:
    """A cost for the action, and +100 for the step that reaches the flag."""
    bonus = 100.0 if terminated else 0.0
    return bonus - 0.1 * action[0] ** 2
