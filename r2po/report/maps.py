"""Maps of grid worlds, read from the environment itself: its arguments decide what the map is."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
from gymnasium.envs.toy_text.cliffwalking import CliffWalkingEnv
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv

from r2po.envs.maze import MazeEnv
from r2po.experiment.setting import Setting
from r2po.report.packing import Values

LEFT, DOWN, RIGHT, UP = (-1, 0), (0, 1), (1, 0), (0, -1)

_FROZEN_LAKE = {0: LEFT, 1: DOWN, 2: RIGHT, 3: UP}
_MAZE = {0: UP, 1: DOWN, 2: RIGHT, 3: LEFT}
_CLIFF = {0: UP, 1: RIGHT, 2: DOWN, 3: LEFT}


def grid_of(setting: Setting) -> Values | None:
    """Return the map of the environment, if it is a grid world whose cells are the states.

    Returns:
        ``width``, ``height``; ``cells``, a letter for each: S start, F floor, H hole, G goal; ``walls`` between
        neighbouring cells, as pairs; ``moves``, the direction of each action. None for other environments.
    """
    if not setting.brief.spaces.discrete_observation or setting.policy.name != "tabular":
        return None
    with closing(setting.make_environment()) as environment:
        inner: Any = environment.unwrapped
        if isinstance(inner, MazeEnv):
            return _maze(inner)
        if isinstance(inner, FrozenLakeEnv):
            return _lake(inner)
        if isinstance(inner, CliffWalkingEnv):
            return _cliff(inner)
    return None


def _lake(inner: Any) -> Values:
    rows = [b"".join(row).decode() for row in np.asarray(inner.desc).tolist()]
    return _grid(len(rows[0]), len(rows), "".join(rows), [], _FROZEN_LAKE)


def _cliff(inner: Any) -> Values:
    height, width = inner.shape
    cliff = np.asarray(inner._cliff).ravel()
    cells = ["H" if each else "F" for each in cliff]
    cells[(height - 1) * width], cells[-1] = "S", "G"
    return _grid(width, height, "".join(cells), [], _CLIFF)


def _maze(inner: MazeEnv) -> Values:
    size = int(inner.size)
    beside = [(cell, cell + 1) for cell in range(size * size) if cell % size < size - 1]
    below = [(cell, cell + size) for cell in range(size * (size - 1))]
    walls = [list(pair) for pair in (*beside, *below) if pair not in inner.passages]
    cells = "S" + "F" * (size * size - 2) + "G"
    return _grid(size, size, cells, walls, _MAZE)


def _grid(width: int, height: int, cells: str, walls: list[list[int]], moves: dict[int, tuple[int, int]]) -> Values:
    return {
        "width": width,
        "height": height,
        "cells": cells,
        "walls": walls,
        "moves": {str(action): list(move) for action, move in moves.items()},
    }
