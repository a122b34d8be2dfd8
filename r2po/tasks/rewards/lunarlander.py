"""Reward of LunarLander."""

from __future__ import annotations

import math
from typing import Any


def reward(obs: list[float], action: int, next_obs: list[float], terminated: bool, hidden: dict[str, float]) -> float:
    """The gain in nearness, slowness and uprightness, less the fuel; 100 for a landing, -100 for a crash."""

    def shaping(s: list[float]) -> float:
        return -100 * (math.hypot(s[0], s[1]) + math.hypot(s[2], s[3]) + abs(s[4])) + 10 * (s[6] + s[7])

    if terminated:
        return 100.0 if hidden["asleep_after"] else -100.0
    fuel = {0: 0.0, 1: 0.03, 2: 0.3, 3: 0.03}[action]
    return shaping(next_obs) - shaping(obs) - fuel


def hidden(env: Any) -> dict[str, float]:
    """Tell whether the physics engine has put the lander to sleep."""
    return {"asleep": float(not env.unwrapped.lander.awake)}
