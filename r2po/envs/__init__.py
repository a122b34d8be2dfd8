"""The project's own environments. Importing this package registers them with Gymnasium.

Adding one is a file here and a line in ``ENVIRONMENTS``.
"""

from __future__ import annotations

from typing import Any

import gymnasium

# Gymnasium id -> entry point, the environment's own step limit, keyword arguments. Entry points are strings, so that
# importing this package loads no environment.
ENVIRONMENTS: dict[str, tuple[str, int | None, dict[str, Any]]] = {
    "maze-sample-3x3-v0": ("r2po.envs.maze:SampleMazeEnv", 200, {"sample": "3x3"}),
    "maze-sample-5x5-v0": ("r2po.envs.maze:SampleMazeEnv", 200, {"sample": "5x5"}),
    "maze-random-v0": ("r2po.envs.maze:RandomMazeEnv", 200, {}),
    "Nim-v0": ("r2po.envs.nim:NimEnv", None, {}),
    "Pong-v0": ("r2po.envs.pong:PongEnv", 1000, {}),
    "r2po/NoiseWorld0-v0": ("r2po.envs.noise_world:NoiseWorldEnv", 25, {"size": 5, "board_seed": 0}),
    **{
        f"r2po/NoiseWorld{board}-v0": (
            "r2po.envs.noise_world:NoiseWorldEnv",
            100,
            {"size": 10, "board_seed": board, "keys": board >= 4},
        )
        for board in range(1, 7)
    },
    # These need the extra `robotics`, see `extras.py`.
    **{
        f"r2po/{name}-v3": ("r2po.envs.metaworld:MetaWorldEnv", 500, {"task": task})
        for name, task in {
            "PickPlace": "pick-place-v3",
            "DoorOpen": "door-open-v3",
            "ButtonPress": "button-press-v3",
            "DrawerOpen": "drawer-open-v3",
        }.items()
    },
    "r2po/PointMazeLarge-v3": ("r2po.envs.point_maze:PointMazeEnv", 800, {"maze": "large"}),
    "r2po/PointMazeLargeDiverse-v3": ("r2po.envs.point_maze:PointMazeEnv", 800, {"maze": "large_diverse"}),
}


def register_environments() -> None:
    """Register every environment with Gymnasium; doing so again changes nothing."""
    for gym_id, (entry_point, max_episode_steps, kwargs) in ENVIRONMENTS.items():
        # Another package's environment of the same id (old Atari packages have a Pong-v0) must not pass for ours.
        registered = gymnasium.registry.get(gym_id)
        if registered is not None and registered.entry_point == entry_point:
            continue
        gymnasium.registry.pop(gym_id, None)
        gymnasium.register(gym_id, entry_point, max_episode_steps=max_episode_steps, kwargs=kwargs)


register_environments()
