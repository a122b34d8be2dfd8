"""Rollouts as prompts show them. The state in which a rollout ends is never shown."""

from __future__ import annotations

from collections.abc import Callable

from r2po.prompts.numbers import ROLLOUT_DIGITS, number, vectors
from r2po.rollout import Rollout

Ending = Callable[[Rollout], str]
"""Writes the label in place of a rollout's final state."""


def by_length(cap: int) -> Ending:
    """Return the labels that tell apart rollouts which reached the cap on their steps, and shorter ones (R2PO)."""
    return lambda rollout: "[step cap]" if rollout.length >= cap else "[ended]"


def by_last_reward(rollout: Rollout) -> str:
    """Label a rollout by its last reward (ThreeTraj)."""
    return "[ended, last reward above 0]" if rollout.rewards[-1] > 0 else "[ended, last reward not above 0]"


def transitions(rollout: Rollout, ending: Ending, first: int | None = None, last: int = 0) -> list[str]:
    """Write steps as ``state->action->next state``, the final one as ``state->action->[label]``.

    Args:
        rollout: The rollout.
        ending: Writes the label.
        first: How many steps to write from its beginning; None for the whole rollout.
        last: How many steps to write from its end. A rollout of at most ``first + last`` steps is written whole.
    """
    length = rollout.length
    if first is None or length <= first + last:
        return _transitions(rollout, ending, 0, length)
    beginning, end = _transitions(rollout, ending, 0, first), _transitions(rollout, ending, length - last, length)
    return [*beginning, _gap(length - first - last), *end]


def raw_steps(rollout: Rollout, first: int | None = None, last: int = 0, *, numbered: bool = False) -> list[str]:
    """Write steps as ``state | action | reward``.

    Args:
        rollout: The rollout.
        first: As in ``transitions``.
        last: As in ``transitions``.
        numbered: Write the number of each step before it, from 0.
    """
    length = rollout.length
    if first is None or length <= first + last:
        return _raw_steps(rollout, 0, length, numbered=numbered)
    beginning = _raw_steps(rollout, 0, first, numbered=numbered)
    end = _raw_steps(rollout, length - last, length, numbered=numbered)
    return [*beginning, _gap(length - first - last), *end]


def _raw_steps(rollout: Rollout, start: int, stop: int, *, numbered: bool) -> list[str]:
    states = vectors(rollout.observations[start:stop])
    rewards = [number(reward, ROLLOUT_DIGITS) for reward in rollout.rewards[start:stop].tolist()]
    steps = zip(states, vectors(rollout.actions[start:stop]), rewards, strict=True)
    lines = [" | ".join(step) for step in steps]
    return [f"{index}: {line}" for index, line in enumerate(lines, start)] if numbered else lines


def _gap(left_out: int) -> str:
    return f"... ({left_out} step{'' if left_out == 1 else 's'} left out) ..."


def _transitions(rollout: Rollout, ending: Ending, start: int, stop: int) -> list[str]:
    actions = vectors(rollout.actions[start:stop])
    states = vectors(rollout.observations[start : min(stop + 1, rollout.length)])
    if stop == rollout.length:
        states.append(ending(rollout))
    return [f"{states[t]}->{action}->{states[t + 1]}" for t, action in enumerate(actions)]
