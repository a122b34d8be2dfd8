"""``r2po.envs.pong`` under its old name."""

from r2po.envs.pong import PongEnv

__all__ = ["PongEnv"]
