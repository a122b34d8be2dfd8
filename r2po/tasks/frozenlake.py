"""FrozenLake: cross a slippery lake with holes."""

from __future__ import annotations

from types import MappingProxyType

from r2po.tasks.task import Task

TASK = Task(
    name="frozenlake",
    label="FrozenLake",
    gym_id="FrozenLake-v1",
    policy="tabular",
    max_traj_length=100,
    optimum=1.0,
    random_reward=0.026,
    warmup_episodes=0,
    conservative_threshold=0.85,
    search_step_size=None,
    summary=(
        "You walk on a frozen lake, a grid of 4 rows and 4 columns, from the top left cell to the goal in the "
        "bottom right cell. Some cells are holes; where they are is not told. The ice is slippery: each move "
        "goes in the chosen direction with probability 1/3, and with probability 1/3 each in the two directions "
        "perpendicular to it, never backward. A move against the edge of the grid stays where it is."
    ),
    observation=(
        "The number of the cell you are on, 4 * row + column, both counted from 0 at the top left: 0 is the start, 15 "
        "the goal."
    ),
    actions=("move left", "move down", "move right", "move up"),
    reward="+1 for the step that reaches the goal, else 0.",
    ending="The episode ends at the goal or in a hole, and after 100 steps at the latest.",
    env_kwargs=MappingProxyType({"map_name": "4x4", "is_slippery": True}),
)
