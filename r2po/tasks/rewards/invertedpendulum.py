"""Reward of InvertedPendulum."""

from __future__ import annotations


def reward(obs: list[float], action: list[float], next_obs: list[float], terminated: bool) -> float:
    """+1 for every step after which the pole stands, 0 for the step in which it falls."""
    return 0.0 if terminated else 1.0
