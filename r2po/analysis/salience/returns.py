"""What the returns of a proposal and its revision show: which rollouts stand out, and what became of the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from r2po.analysis.logs.run_data import Floats
from r2po.rounding import levelled, mean

Direction = Literal["regression", "improvement", "no_change"]

FEWEST_ROLLOUTS = 6
"""With fewer, one half has two: its worst and median return say nothing."""


@dataclass(frozen=True)
class Extremes:
    """Returns of three rollouts of a proposal.

    Attributes:
        worst: The smallest.
        median: That of the rollout closest to the median, as prompts choose it.
        best: The largest.
    """

    worst: float
    median: float
    best: float

    @property
    def group(self) -> str:
        """The reward group, a key of ``tables.GROUPS``."""
        if self.worst == self.best:
            return "identical"
        if self.worst == self.median:
            return "worst_eq_median"
        return "median_eq_best" if self.median == self.best else "all_diverse"

    @property
    def old_proxy(self) -> bool:
        """Whether the worst rollout stands out from the best one."""
        return self.worst <= self.median and self.worst < self.best

    @property
    def strict_proxy(self) -> bool:
        """Whether the worst rollout stands out from the median one."""
        return self.worst < self.median


@dataclass(frozen=True)
class Halves:
    """A sign and a direction that share no rollout: luck that makes the one does not make the other.

    Attributes:
        shown: Worst, median and best of the proposal's rollouts 0, 2, 4, ...
        level: Mean return of the same rollouts.
        direction: What became of the mean return over rollouts 1, 3, 5, ..., in equal numbers of both policies.
    """

    shown: Extremes
    level: float
    direction: Direction


def extremes(returns: Floats) -> Extremes:
    """Return worst, median and best of (K,) returns, K at least 1; equal ones are one number."""
    (returns,) = levelled(returns)
    median = returns[np.abs(returns - np.median(returns)).argmin()]
    return Extremes(float(returns.min()), float(median), float(returns.max()))


def direction(initial: float, revised: float) -> Direction:
    """Return what became of the mean return, where equal ones are one number."""
    if revised == initial:
        return "no_change"
    return "regression" if revised < initial else "improvement"


def halve(initial: Floats, revised: Floats) -> Halves | None:
    """Return sign and direction from (K,) returns of a proposal and (L,) of its revision; None of too few.

    Rollouts are halved by their number, so that it does not depend on their returns which half they are in. Of both
    policies the same rollouts make the direction. Two equally good policies are then equally likely to be the better
    one, whatever their returns are like; and where rollouts of one number share a seed, the sign's are of other seeds.
    """
    if min(initial.size, revised.size) < FEWEST_ROLLOUTS:
        return None
    common = min(initial.size, revised.size)
    before, after = initial[1:common:2], revised[1:common:2]
    largest = float(max(np.abs(before).max(), np.abs(after).max()))
    ((first, second),) = levelled([mean(before), mean(after)], scale=largest)
    return Halves(extremes(initial[::2]), mean(initial[::2]), direction(float(first), float(second)))
