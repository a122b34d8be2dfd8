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
