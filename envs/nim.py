"""``r2po.envs.nim`` under its old name."""

from r2po.envs.nim import NimEnv

__all__ = ["NimEnv"]
