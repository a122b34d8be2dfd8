"""Observations of several parts as one vector."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation

MOST_AXES = 2
"""Arrays with more of them are images, or like images."""


def flattened(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """Return the environment with observations that are one vector, as ``gymnasium.spaces.flatten`` makes it.

    A number among n becomes n numbers, a 1 at its place; parts of a ``Dict`` stand in the order of their keys. Rewards,
    ends and random numbers are those of the environment. Spaces that ``is_flattenable`` refuses are not supported.
    """
    return FlattenObservation(env)


def is_flattenable(space: gymnasium.Space[Any]) -> bool:
    """Return whether a space consists of numbers, vectors and tables of numbers alone."""
    if isinstance(space, spaces.Dict):
        return all(map(is_flattenable, space.spaces.values()))
    if isinstance(space, spaces.Tuple):
        return all(map(is_flattenable, space.spaces))
    if isinstance(space, spaces.Box):
        return len(space.shape) <= MOST_AXES
    return isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)


def part_names(space: gymnasium.Space[Any], name: str = "") -> list[str]:
    """Return a name for each number of a flattened observation, in order: its keys and its place, ``goal[1]``."""
    if isinstance(space, spaces.Dict):
        parts = [(f"{name}.{key}" if name else key, each) for key, each in space.spaces.items()]
        return [found for inner, each in parts for found in part_names(each, inner)]
    if isinstance(space, spaces.Tuple):
        return [found for at, each in enumerate(space.spaces) for found in part_names(each, f"{name}[{at}]")]
    if isinstance(space, spaces.Discrete):
        return [f"{name} is {value}".strip() for value in range(int(space.start), int(space.start + space.n))]
    if isinstance(space, spaces.MultiDiscrete):
        starts = np.broadcast_to(getattr(space, "start", 0), space.nvec.shape)
        return [
            f"{name}{_place(at)} is {start + value}"
            for at, count, start in zip(np.ndindex(space.nvec.shape), space.nvec.flat, starts.flat, strict=True)
            for value in range(count)
        ]
    assert space.shape is not None
    return [f"{name}{_place(at)}" for at in np.ndindex(space.shape)]


def _place(at: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, at))}]" if at else ""
