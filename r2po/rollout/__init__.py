"""Rollouts: K episodes of one policy, each from its own seed."""

from __future__ import annotations

from r2po.rollout.gymnasium_engine import GymnasiumEngine
from r2po.rollout.types import End, Rollout, Rollouts, closest

__all__ = ["End", "GymnasiumEngine", "Rollout", "Rollouts", "closest"]
