"""Point mazes of Gymnasium-Robotics with one vector as the observation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

SIZE = 6


class PointMazeEnv(gymnasium.Env[NDArray[np.float64], NDArray[np.float64]]):
    """Push a ball through a maze to a goal.

    Observation, float64, in this order: x and y of the ball, its velocity along x and y, x and y of the goal. (The
    ``achieved_goal`` of Gymnasium-Robotics repeats the first two and is left out.) Rewards are sparse: 1 for every step
    that ends within 0.45 of the goal, else 0. Reaching the goal ends nothing; ``info["success"]`` says whether the ball
    is there. The limit of 800 steps is given where the environment is registered.

    Args:
        maze: ``"large"``, in which any two free cells may be start and goal, or ``"large_diverse"``, which has one
            start and several goals.
        render_mode: None or ``"rgb_array"``.

    Raises:
        ValueError: No such maze.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(self, maze: str = "large", render_mode: str | None = None) -> None:
        _silence()
        from gymnasium_robotics.envs.maze import maps, point_maze  # takes long, and is not always there

        layouts = {"large": maps.LARGE_MAZE, "large_diverse": maps.LARGE_MAZE_DIVERSE_G}
        if maze not in layouts:
            raise ValueError(f"maze must be one of {', '.join(layouts)}, not {maze!r}")
        self._maze = point_maze.PointMazeEnv(maze_map=layouts[maze], reward_type="sparse", render_mode=render_mode)
        Path(self._maze.tmp_xml_file_path).unlink(missing_ok=True)  # it is read by now, and stays otherwise
        self.render_mode = render_mode
        self.observation_space: spaces.Space[Any] = spaces.Box(-np.inf, np.inf, (SIZE,), dtype=np.float64)
        self.action_space: spaces.Space[Any] = self._maze.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Draw start and goal."""
        super().reset(seed=seed, options=options)
        if seed is None:  # both generators of the maze follow ours
            seed = int(self.np_random.integers(2**31))
        observation, info = self._maze.reset(seed=seed)
        return _flat(observation), {"success": bool(info["success"])}

    def step(self, action: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        """Push the ball."""
        observation, reward, terminated, truncated, info = self._maze.step(action)
        success = {"success": bool(info["success"])}
        return _flat(observation), float(reward), bool(terminated), bool(truncated), success

    def render(self) -> Any:
        """Return an image, (height, width, 3)."""
        return self._maze.render()

    def close(self) -> None:
        """Free the simulation."""
        self._maze.close()


def _silence() -> None:
    """Keep the package from printing, whenever it is imported, a note on environments that are not used here."""
    import farama_notifications  # type: ignore[import-untyped]

    farama_notifications.notifications.pop("gymnasium_robotics", None)


def _flat(observation: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate((observation["observation"], observation["desired_goal"])).astype(np.float64)
