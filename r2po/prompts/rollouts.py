"""Rollouts as prompts show them."""

from __future__ import annotations

from r2po.prompts.numbers import ROLLOUT_DIGITS, number, vectors
from r2po.rollout import Rollout


def ending(rollout: Rollout) -> str:
    """Say why a rollout ended."""
    return {
        "terminated": "[episode terminated by the environment]",
        "truncated": "[episode truncated by the environment's own step limit]",
        "cap": f"[episode stopped at the cap of {rollout.length} steps]",
    }[rollout.end]


def transitions(rollout: Rollout, first: int | None = None, last: int = 0) -> list[str]:
    """Write steps as ``state->action->next state``; the final one ends in a label that says why it was the last.

    Args:
        rollout: The rollout.
        first: How many steps to write from its beginning; None for the whole rollout.
        last: How many steps to write from its end. A rollout of at most ``first + last`` steps is written whole.
    """
    length = rollout.length
    if first is None or length <= first + last:
        return _transitions(rollout, 0, length)
    left_out = length - first - last
    gap = f"... ({left_out} step{'' if left_out == 1 else 's'} left out) ..."
    return [*_transitions(rollout, 0, first), gap, *_transitions(rollout, length - last, length)]


def raw_steps(rollout: Rollout) -> list[str]:
    """Write every step as ``state | action | reward``, then why the rollout ended."""
    states = vectors(rollout.observations[:-1])
    rewards = [number(reward, ROLLOUT_DIGITS) for reward in rollout.rewards.tolist()]
    steps = zip(states, vectors(rollout.actions), rewards, strict=True)
    return [*(" | ".join(step) for step in steps), ending(rollout)]


def _transitions(rollout: Rollout, start: int, stop: int) -> list[str]:
    states = vectors(rollout.observations[start : stop + 1])
    actions = vectors(rollout.actions[start:stop])
    steps = [f"{states[t]}->{action}->{states[t + 1]}" for t, action in enumerate(actions)]
    if stop == rollout.length:
        steps[-1] += f" {ending(rollout)}"
    return steps
