"""Reward of CliffWalking with slippery ground."""

from __future__ import annotations

import copy
from typing import Any


def reward(obs: int, action: int, next_obs: int, terminated: bool, hidden: dict[str, float]) -> float:
    """-100 for a step over the cliff's edge, which leads back to the start, -1 for every other step."""
    move = (action + int(hidden["slip_before"])) % 4  # 0 up, 1 right, 2 down, 3 left
    row, column = divmod(obs, 12)
    fell = (row == 2 and 1 <= column <= 10 and move == 2) or (row == 3 and move == 1)
    return -100.0 if fell else -1.0


def hidden(env: Any) -> dict[str, float]:
    """Tell by how many quarter turns to the right the next move will slip: -1, 0 or 1.

    It is the environment's next random number, looked at in a copy of its generator. A fall from the start cannot be
    told from a move against the edge without it.
    """
    draw = copy.deepcopy(env.unwrapped.np_random).random()
    return {"slip": float((draw >= 1 / 3) + (draw >= 1 / 3 + 1 / 3) - 1)}
