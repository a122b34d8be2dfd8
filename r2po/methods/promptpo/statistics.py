"""What is said of an episode where no function of the model does: plain statistics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from r2po.policies.policy import Array
from r2po.prompts.numbers import fixed, number, vectors
from r2po.rollout import Rollout

_STATES = 10
"""So many numbered states are named."""


def describe(rollout: Rollout, *, observations_only: bool) -> str:
    """Return length, states and, unless only observations count, return and actions of an episode, in a few lines."""
    lines = [f"{rollout.length} steps, {rollout.end}", f"states: {_states(rollout.observations)}"]
    if observations_only:
        return "\n".join(lines)
    actions = _counts(rollout.actions) if rollout.actions.ndim == 1 else _spread(rollout.actions)
    return "\n".join([f"return {fixed(rollout.total)}, {lines[0]}", lines[1], f"actions: {actions}"])


def _states(observations: Array) -> str:
    if observations.ndim == 1:
        return f"first {observations[0]}, last {observations[-1]}; {_counts(observations)}"
    first, last = vectors(observations[[0, -1]])
    return f"first {first}, last {last}; {_spread(observations)}"


def _counts(numbers: Array) -> str:
    values, counts = np.unique(numbers, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_STATES]
    return "most often " + ", ".join(f"{values[place]} ({counts[place]} of {len(numbers)})" for place in order)


def _spread(rows: NDArray[np.float64]) -> str:
    parts = {"mean": rows.mean(axis=0), "least": rows.min(axis=0), "largest": rows.max(axis=0)}
    return ", ".join(f"{name} [{', '.join(number(value, 3) for value in part)}]" for name, part in parts.items())
