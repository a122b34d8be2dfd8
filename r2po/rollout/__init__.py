"""Rollouts: K episodes of one policy, each from its own seed."""

from __future__ import annotations

from r2po.rollout.gymnasium_engine import GymnasiumEngine
from r2po.rollout.selection import EngineName, SelectedEngine, select_engine
from r2po.rollout.types import Engine, EpisodeLost, EvaluationFailed, Rollout, Rollouts, closest

__all__ = [
    "Engine",
    "EngineName",
    "EpisodeLost",
    "EvaluationFailed",
    "GymnasiumEngine",
    "Rollout",
    "Rollouts",
    "SelectedEngine",
    "closest",
    "select_engine",
]
