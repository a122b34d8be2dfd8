"""Rollouts as prompts show them."""

from __future__ import annotations

from r2po.prompts.numbers import vectors
from r2po.rollout import Rollout


def ending(rollout: Rollout) -> str:
    """Say why a rollout ended."""
    return {
        "terminated": "[episode terminated by the environment]",
        "truncated": "[episode truncated by the environment's own step limit]",
        "cap": f"[episode stopped at the cap of {rollout.length} steps]",
    }[rollout.end]


def transitions(rollout: Rollout) -> list[str]:
    """Write each step as ``state->action->next state``; the last one ends in a label that says why it was the last."""
    states = vectors(rollout.observations)
    actions = vectors(rollout.actions)
    steps = [f"{states[t]}->{action}->{states[t + 1]}" for t, action in enumerate(actions)]
    steps[-1] += f" {ending(rollout)}"
    return steps
