"""Reward of MountainCar."""

from __future__ import annotations


def reward(obs: list[float], action: int, next_obs: list[float], terminated: bool) -> float:
    """-1 for every step, the last one included."""
    return -1.0
