"""Maze: find the goal among walls that are not observed. The published sample, and larger mazes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from r2po.tasks.task import Task


def _card(
    name: str,
    label: str,
    gym_id: str,
    *,
    cap: int,
    random_reward: float,
    env_kwargs: Mapping[str, Any] = MappingProxyType({}),
    free_kwargs: tuple[str, ...] = (),
) -> Task:
    """Return the card of a maze; its text holds for every size."""
    return Task(
        name=name,
        label=label,
        gym_id=gym_id,
        policy="tabular",
        max_traj_length=cap,
        # Whatever the size, the shortest route of a maze returns more than 0.9.
        optimum=0.9,
        random_reward=random_reward,
        warmup_episodes=20,
        conservative_threshold=0.9,
        search_step_size=None,
        summary=(
            "You walk through a square maze from the top left cell to the goal in the bottom right cell. Between some "
            "neighbouring cells there are walls; where they are is not told. Moves are certain. A move into a wall or "
            "against the edge of the maze stays where it is."
        ),
        observation=(
            "The number of the cell you are on, width * y + x, where width is the number of cells per side and x and "
            "y are counted from 0 at the top left: 0 is the start, the highest number the goal."
        ),
        actions=("move north (y - 1)", "move south (y + 1)", "move east (x + 1)", "move west (x - 1)"),
        reward="+1 for the step that reaches the goal; for every other step -0.1 divided by the number of cells.",
        ending="The episode ends at the goal, and after 200 steps at the latest.",
        env_kwargs=env_kwargs,
        free_kwargs=free_kwargs,
    )


TASK = _card("maze", "Maze", "maze-sample-3x3-v0", cap=20, random_reward=-0.2139)
SAMPLE_5X5 = _card("maze5x5", "Maze 5x5", "maze-sample-5x5-v0", cap=200, random_reward=-0.8)
RANDOM = _card(
    "mazerandom",
    "Random maze",
    "maze-random-v0",
    cap=200,
    random_reward=-0.8,
    env_kwargs=MappingProxyType({"size": 5, "maze_seed": 0}),
    free_kwargs=("size", "maze_seed"),
)
