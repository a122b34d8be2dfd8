"""Rollouts in the compact style: each state once, and a reward only where it changes.

Like the published formats, they never show the state in which a rollout ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2po.prompts.numbers import ROLLOUT_DIGITS
from r2po.prompts.rollouts import Ending
from r2po.rollout import Rollout

LEAST_DECIMALS, MOST_DECIMALS = 3, 9
NUMBERED = 10
"""Every so many steps, a line of a record begins with its number."""

BAR = " | "
"""Stands between state, action and reward."""


def columns(values: NDArray[Any]) -> list[list[str]]:
    """Write each column of a (T, d) array, or a (T,) array as one column, with as many digits as matter.

    A number has 3 significant digits, but no more decimals than the largest one of its column has with them, or 3 if
    that is more. It has no zero before the decimal point: to many models that would be a token, in half of all numbers.
    """
    array = values[:, None] if values.ndim == 1 else values
    return [_column(column) for column in array.T]


def _column(column: NDArray[Any]) -> list[str]:
    if np.issubdtype(column.dtype, np.integer):
        return [str(value) for value in column.tolist()]
    sizes = np.abs(column)
    most = max(LEAST_DECIMALS, int(_decimals(np.array([sizes.max()]))[0]) if sizes.size else 0)
    decimals = np.clip(_decimals(sizes), 0, min(most, MOST_DECIMALS))
    numbers = zip(column.tolist(), decimals.tolist(), strict=True)
    return [plain(value, digits).replace("-0.", "-.").removeprefix("0") or "0" for value, digits in numbers]


def _decimals(sizes: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many decimals make the significant digits of each number; none for zero."""
    with np.errstate(divide="ignore"):
        exponents = np.floor(np.log10(sizes))
    return np.where(sizes > 0, ROLLOUT_DIGITS - 1 - exponents, 0).clip(-99, 99).astype(np.int64)


def plain(value: float, decimals: int) -> str:
    """Write a number with at most so many decimals, without zeros at the end and without an exponent."""
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def pairs(rollout: Rollout) -> list[str]:
    """Write each step as ``state | action``; vectors as their numbers with spaces between them."""
    return [BAR.join(step) for step in zip(_rows(rollout.observations[:-1]), _rows(rollout.actions), strict=True)]


def records(rollout: Rollout) -> list[str]:
    """Write each step as ``state | action | reward``, without a reward that equals the one of the step before."""
    rewards = _rows(rollout.rewards)
    told = [f"{BAR}{reward}" if t == 0 or reward != rewards[t - 1] else "" for t, reward in enumerate(rewards)]
    return [step + reward for step, reward in zip(pairs(rollout), told, strict=True)]


def transitions(rollout: Rollout, ending: Ending, first: int | None = None, last: int = 0) -> list[str]:
    """Write steps as ``state | action``, each state once, and last the label of the end.

    Args:
        rollout: The rollout.
        ending: Writes the label.
        first: How many steps to write from its beginning; None for the whole rollout.
        last: How many steps to write from its end. A rollout of at most ``first + last`` steps is written whole.
    """
    return [*window(pairs(rollout), first, last, _rows(rollout.observations[:-1])), ending(rollout)]


def numbered(rollout: Rollout, first: int | None = None, last: int = 0) -> list[str]:
    """Write steps as ``state | action | reward``; every tenth, and the first one after a gap, with its number."""
    lines = records(rollout)
    gap = None if first is None or len(lines) <= first + last else len(lines) - last
    marked = [f"{t}: {line}" if t % NUMBERED == 0 or t == gap else line for t, line in enumerate(lines)]
    return window(marked, first, last)


def window(lines: Sequence[str], first: int | None, last: int, states: Sequence[str] | None = None) -> list[str]:
    """Return the first and the last lines, and how many are left out between them.

    With the ``states``, the one that the first lines lead to stands before the gap.
    """
    if first is None or len(lines) <= first + last:
        return list(lines)
    hidden = len(lines) - first - last
    gap = f"... ({hidden} step{'' if hidden == 1 else 's'} left out) ..."
    return [*lines[:first], f"{states[first]} {gap}" if states and first else gap, *lines[len(lines) - last :]]


def _rows(values: NDArray[Any]) -> list[str]:
    return [" ".join(row) for row in zip(*columns(values), strict=True)]
