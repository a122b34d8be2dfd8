"""Welch's t-test: do two groups of runs have different means, when their spreads may differ too?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from r2po.analysis.statistics.arrays import Floats, finite
from r2po.analysis.statistics.bootstrap import ConfidenceInterval
from r2po.rounding import is_constant, levelled, mean


@dataclass(frozen=True)
class TTest:
    """Outcome of a two-sided t-test, Welch's or the paired one.

    Attributes:
        t: Difference of the means, first minus second, in standard errors; infinite if degenerate.
        p: Probability of a |t| as large, if the means are equal.
        degrees: Degrees of freedom; 0 where there is no test.
        too_few: There are fewer than two values of a group, or pairs, so that nothing can be tested: t 0, p 1.
        degenerate: Nothing varies and the means differ: t is infinite and p is 0 by convention, not by evidence.
    """

    t: float
    p: float
    degrees: float
    too_few: bool = False
    degenerate: bool = False


def welch(first: ArrayLike, second: ArrayLike) -> TTest:
    """Test two groups of (n,) and (m,) values, one per run, for equal means (Welch 1947).

    Raises:
        ValueError: A value is not finite.
    """
    x, y = levelled(finite(first, "the first group"), finite(second, "the second group"))
    if min(x.size, y.size) < 2:
        return TTest(t=0.0, p=1.0, degrees=0.0, too_few=True)
    gap = mean(x) - mean(y)
    if is_constant(x) and is_constant(y):
        if is_constant(np.concatenate([x, y])):
            return TTest(t=0.0, p=1.0, degrees=0.0)
        return TTest(t=inf if gap > 0 else -inf, p=0.0, degrees=0.0, degenerate=True)
    error, degrees = _standard_error(x, y)
    t = gap / error
    return TTest(t=t, p=2 * float(stdtr(degrees, -abs(t))), degrees=degrees)


def welch_interval(first: ArrayLike, second: ArrayLike) -> ConfidenceInterval:
    """Return the difference of the means, first minus second, with the 95 % interval of Welch's test.

    Without any variance, the interval is the difference itself. The groups are (n,) and (m,) values.

    Raises:
        ValueError: A group has fewer than two values, or a value is not finite.
    """
    x, y = levelled(finite(first, "the first group"), finite(second, "the second group"))
    if min(x.size, y.size) < 2:
        raise ValueError("an interval needs two values in each group")
    gap = mean(x) - mean(y)
    if is_constant(x) and is_constant(y):
        return ConfidenceInterval(gap, gap, gap)
    error, degrees = _standard_error(x, y)
    half = float(stdtrit(degrees, 0.975)) * error
    return ConfidenceInterval(gap, gap - half, gap + half)


def welch_of(gap: float, parts: Sequence[tuple[float, int]]) -> TTest | None:
    """Test whether a sum of independent means is 0, of which only figures are known, e.g. published ones.

    Args:
        gap: The sum or difference of the means.
        parts: Squared standard error of each mean, and its degrees of freedom: of n values, s^2 / n and n - 1.

    Returns:
        Welch's test; None where it cannot be made: a mean without degrees of freedom has an unknown error, and without
        any error there is no scale. If a mean is of two values, there is one degree of freedom (Hsu 1938): Welch's are
        too many if these are close to each other by chance, and find 2 values to differ from 10 in a tenth of all
        cases at the level 0.05.
    """
    if any(degrees < 1 for _, degrees in parts):
        return None
    # In units of the largest: squares stay in range.
    largest = max(square for square, _ in parts)
    if not largest:
        return None
    shares = [(square / largest, degrees) for square, degrees in parts]
    total = sum(share for share, _ in shares)
    degrees = total**2 / sum(share**2 / each for share, each in shares)
    if min(each for _, each in parts) == 1:
        degrees = 1.0
    t = gap / (sqrt(largest) * sqrt(total))
    return TTest(t=t, p=2 * float(stdtr(degrees, -abs(t))), degrees=degrees)


def _standard_error(x: Floats, y: Floats) -> tuple[float, float]:
    """Return the standard error of the difference of the means, and its degrees of freedom."""
    # Scaled by the larger spread: squares of very small or very large returns stay in range.
    scale = max(float(np.abs(x - x.mean()).max()), float(np.abs(y - y.mean()).max()))
    a, b = float(np.var(x / scale, ddof=1)) / x.size, float(np.var(y / scale, ddof=1)) / y.size
    degrees = (a + b) ** 2 / (a**2 / (x.size - 1) + b**2 / (y.size - 1))
    return scale * sqrt(a + b), degrees
