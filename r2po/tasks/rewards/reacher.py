"""Reward of Reacher."""

from __future__ import annotations

import numpy as np


def reward(obs: list[float], action: list[float], next_obs: list[float], terminated: bool) -> float:
    """Minus the distance from the fingertip to the target, less a cost for the actions."""
    distance = float(np.linalg.norm(next_obs[8:10]))
    effort = action[0] * action[0] + action[1] * action[1]
    return -distance - effort
