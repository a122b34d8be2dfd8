"""``r2po.envs.maze`` under its old name."""

from r2po.envs.maze import MazeEnv, RandomMazeEnv, SampleMazeEnv

__all__ = ["MazeEnv", "RandomMazeEnv", "SampleMazeEnv"]
