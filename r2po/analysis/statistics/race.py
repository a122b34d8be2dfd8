"""A race: which of several groups are surely not the best, by confidence intervals of their means?

Each group has an interval for each look. All intervals of a race together miss a true mean with a probability of at
most ``error``, by Bonferroni's inequality: each alone with ``error`` divided by their number. A group is hopeless if
its interval lies below that of the leader, which has the largest mean. As long as no interval misses its mean, a
hopeless group is truly worse than the leader. So the probability that a race ever drops a group that is as good as the
one it lost to is at most ``error``, whatever the true means are, for values from normal distributions.

Runs of a policy search are not normal. Few equal values, such as five failures, have no spread, and would have an
interval of no width: the spread of a group therefore counts as at least that which all groups share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

from numpy.typing import ArrayLike
from scipy.special import stdtrit

from r2po.analysis.statistics.arrays import finite
from r2po.rounding import mean, sample_std


@dataclass(frozen=True)
class Standing:
    """Where a group stands in a look.

    Attributes:
        mean: Mean of its values.
        low: Lower end of its interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


def standings(groups: Sequence[ArrayLike], error: float, intervals: int) -> list[Standing]:
    """Return the mean of each group of (n,) values and its interval by Student's t, for the race's error.

    Args:
        groups: The groups that are still in the race.
        error: Probability that any of all intervals of the race misses its mean.
        intervals: How many there are: the groups at the start, times the looks.

    Raises:
        ValueError: A value is not finite, or a group has fewer than two.
    """
    arrays = [finite(group, "a group of the race") for group in groups]
    if any(array.size < 2 for array in arrays):
        raise ValueError("a race needs two values of each group")
    degrees = sum(array.size - 1 for array in arrays)
    variances = [sample_std(array) ** 2 for array in arrays]  # of equal decimals exactly 0
    shared = sum(variance * (array.size - 1) for variance, array in zip(variances, arrays, strict=True)) / degrees
    found = []
    for variance, array in zip(variances, arrays, strict=True):
        spread = sqrt(max(variance, shared))
        half = -float(stdtrit(array.size - 1, error / intervals / 2)) * spread / sqrt(array.size)
        half = half if shared > 0 else inf  # nothing varies: nothing is known of the spread
        centre = mean(array)
        found.append(Standing(centre, centre - half, centre + half))
    return found


def hopeless(found: Sequence[Standing]) -> list[int]:
    """Return the places of the groups whose interval lies below that of the leader."""
    leader = max(found, key=lambda each: each.mean)
    return [place for place, each in enumerate(found) if each.high < leader.low]
