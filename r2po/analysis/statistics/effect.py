"""How large a difference is in standard deviations, and how large it must be to be found."""

from __future__ import annotations

from math import exp, inf, lgamma, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from r2po.analysis.statistics.arrays import Floats, finite
from r2po.analysis.statistics.bootstrap import LEVEL, ConfidenceInterval
from r2po.analysis.statistics.comparison import superiority
from r2po.analysis.statistics.noncentral import detectable_noncentrality, noncentrality_interval
from r2po.analysis.statistics.paired import differences, paired_t, standard_error
from r2po.rounding import is_constant, levelled, mean, sample_std


def hedges_g(first: ArrayLike, second: ArrayLike) -> ConfidenceInterval | None:
    """Return the difference of means, first minus second, in pooled standard deviations, without small-sample bias.

    The 95 % interval is that of the noncentral t-distribution: exact for normal values with equal spreads.

    Returns:
        Hedges' g of (n,) and (m,) values; None with fewer than two in a group, or where none varies.

    Raises:
        ValueError: A value is not finite.
    """
    x, y = levelled(finite(first, "the first group"), finite(second, "the second group"))
    if min(x.size, y.size) < 2 or (is_constant(x) and is_constant(y)):
        return None
    degrees = x.size + y.size - 2
    root = sqrt(1 / x.size + 1 / y.size)
    t = (mean(x) - mean(y)) / (pooled_std(x, y) * root)
    return _standardised(t, degrees, root, small_sample_factor(degrees))


def paired_hedges_g(first: ArrayLike, second: ArrayLike) -> ConfidenceInterval | None:
    """Return the same for pairs of (n,) and (n,) values, in standard deviations of the groups, not of the differences.

    It is thus the same number as that of independent groups; only its interval differs (Algina and Keselman 2003).

    Returns:
        Hedges' g; None with fewer than two pairs, where no group varies, and where the differences do not.

    Raises:
        ValueError: The groups are not of one size, or a value is not finite.
    """
    gaps = differences(first, second)
    if gaps.size < 2 or is_constant(gaps):
        return None
    unit = standard_error(gaps) / pooled_std(first, second)
    return _standardised(paired_t(first, second).t, gaps.size - 1, unit, small_sample_factor(2 * (gaps.size - 1)))


def pooled_std(first: ArrayLike, second: ArrayLike) -> float:
    """Return the standard deviation of (n,) and (m,) values around the mean of their group; 0 if none varies."""
    spreads = [(sample_std(group), np.size(group) - 1) for group in (first, second)]
    largest = max(std for std, _ in spreads)
    if not largest:
        return 0.0
    # In units of the largest: squares of very small or very large returns stay in range.
    squares = sum(degrees * (std / largest) ** 2 for std, degrees in spreads)
    return largest * sqrt(squares / sum(degrees for _, degrees in spreads))


def _standardised(t: float, degrees: int, unit: float, factor: float) -> ConfidenceInterval:
    low, high = noncentrality_interval(t, degrees)
    # The factor is for the estimate alone: the interval holds the true value as it is.
    return ConfidenceInterval(factor * unit * t, unit * low, unit * high)


def small_sample_factor(degrees: int) -> float:
    """Return what a standardised difference is multiplied by to be right on average (Hedges 1981); degrees from 2."""
    return exp(lgamma(degrees / 2) - lgamma((degrees - 1) / 2)) / sqrt(degrees / 2)


def superiority_interval(first: ArrayLike, second: ArrayLike) -> ConfidenceInterval:
    """Return P(first > second) + P(first = second) / 2 with Newcombe's 95 % interval (2006, his method 5).

    Unlike a bootstrap, it has a width also where all of (n,) values lie above all of (m,).

    Raises:
        ValueError: A group is empty, or a value is not finite.
    """
    x, y = levelled(finite(first, "the first group"), finite(second, "the second group"))
    if not min(x.size, y.size):
        raise ValueError("an interval needs a value in each group")
    value = superiority(x, y)
    low, high = (_end(value, x, y, side) for side in (0.0, 1.0))
    return ConfidenceInterval(value, low, high)


def _end(value: float, x: Floats, y: Floats, side: float) -> float:
    """Search the end of the interval between the value and 0 or 1: there the value is just 1.96 standard errors off."""
    limit = float(ndtri((1 + LEVEL) / 2)) ** 2
    inside, outside = value, side
    for _ in range(60):
        middle = (inside + outside) / 2
        if (value - middle) ** 2 > limit * _variance(middle, x.size, y.size):
            outside = middle
        else:
            inside = middle
    return side if abs(inside - side) < 1e-12 else inside


def _variance(chance: float, n: int, m: int) -> float:
    """Return the variance of the estimated superiority, if the true one is ``chance``."""
    extra = (n + m) / 2 - 1
    return chance * (1 - chance) * (1 + extra * ((1 - chance) / (2 - chance) + chance / (1 + chance))) / (n * m)


def detectable_gap(error: float, degrees: float, alpha: float) -> float:
    """Return the smallest difference that a two-sided t-test with this standard error finds in 80 % of all cases.

    ``alpha`` is the level of the test. The result is infinite without degrees of freedom.
    """
    return error * detectable_noncentrality(degrees, alpha) if degrees > 0 else inf
