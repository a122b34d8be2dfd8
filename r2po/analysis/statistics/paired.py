"""Tests of paired values: run N of two methods had the same seed, and so shares what was drawn from it.

What both values of a pair have in common drops out of their difference. A test that takes the groups for independent
ones would count it as noise.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from r2po.analysis.statistics.arrays import Floats, finite
from r2po.analysis.statistics.bootstrap import RESAMPLES, ConfidenceInterval, percentile_interval, resample_counts
from r2po.analysis.statistics.comparison import superiority, wins
from r2po.analysis.statistics.permutation import CHUNK, DRAWS, EXACT_LIMIT, Permutation
from r2po.analysis.statistics.welch import TTest
from r2po.rounding import is_constant, levelled, mean
from r2po.seeding import derive_seed


def paired_t(first: ArrayLike, second: ArrayLike) -> TTest:
    """Test pairs of (n,) and (n,) values, one per run, for equal means: Student's t of the differences.

    Raises:
        ValueError: The groups are not of one size, or a value is not finite.
    """
    gaps = differences(first, second)
    if gaps.size < 2:
        return TTest(t=0.0, p=1.0, degrees=0.0, too_few=True)
    gap = mean(gaps)
    if is_constant(gaps):
        if gap == 0:
            return TTest(t=0.0, p=1.0, degrees=0.0)
        return TTest(t=inf if gap > 0 else -inf, p=0.0, degrees=0.0, degenerate=True)
    degrees = gaps.size - 1
    t = gap / standard_error(gaps)
    return TTest(t=t, p=2 * float(stdtr(degrees, -abs(t))), degrees=float(degrees))


def paired_interval(first: ArrayLike, second: ArrayLike) -> ConfidenceInterval:
    """Return the difference of the means, first minus second, with the 95 % interval of the paired t-test.

    Without any variance of the differences, the interval is the difference itself.

    Raises:
        ValueError: There are fewer than two pairs, the groups are not of one size, or a value is not finite.
    """
    gaps = differences(first, second)
    if gaps.size < 2:
        raise ValueError("an interval needs two pairs")
    gap = mean(gaps)
    if is_constant(gaps):
        return ConfidenceInterval(gap, gap, gap)
    half = float(stdtrit(gaps.size - 1, 0.975)) * standard_error(gaps)
    return ConfidenceInterval(gap, gap - half, gap + half)


def sign_flip_test(first: ArrayLike, second: ArrayLike, seed: int = 0, draws: int = DRAWS) -> Permutation:
    """Test whether the differences of pairs are symmetric around 0: each pair could as well be the other way round.

    All 2^n choices of signs are tried up to ``EXACT_LIMIT`` (17 pairs); else ``draws`` random ones, and the observed
    one is counted as one more. ``seed`` is that of the random ones. The groups are (n,) and (n,) values.

    Raises:
        ValueError: The groups are not of one size, or a value is not finite.
    """
    gaps = differences(first, second)
    if gaps.size < 2:
        return Permutation(p=1.0, splits=0, exact=True, floor=1.0)
    # Sums of the same terms in another order must count as equal in spite of rounding.
    threshold = abs(float(gaps.sum())) - 1e-12 * float(np.abs(gaps).sum())
    choices = 2**gaps.size
    if choices <= EXACT_LIMIT:
        extreme = int((np.abs(_all_signs(gaps.size) @ gaps) >= threshold).sum())
        return Permutation(extreme / choices, choices, exact=True, floor=2 / choices)
    generator = np.random.default_rng(derive_seed(seed, "sign flips"))
    count = 1
    for start in range(0, draws, CHUNK):
        signs = generator.choice([-1.0, 1.0], size=(min(CHUNK, draws - start), gaps.size))
        count += int((np.abs(signs @ gaps) >= threshold).sum())
    return Permutation(count / (draws + 1), draws + 1, exact=False, floor=1 / (draws + 1))


def joint_superiority(
    first: ArrayLike, second: ArrayLike, generator: np.random.Generator, resamples: int = RESAMPLES
) -> ConfidenceInterval:
    """Return P(first > second) + P(first = second) / 2 over all pairs of runs, with a 95 % bootstrap interval.

    It is that of ``comparison.probability_of_improvement``, but the (n,) and (n,) values are drawn again together:
    a run of one method with the run of the other that has its seed.

    Raises:
        ValueError: There is no pair, the groups are not of one size, or a value is not finite.
    """
    x, y = _pairs(first, second)
    if not x.size:
        raise ValueError("an interval needs a pair")
    # Counts, not shares: halves of whole numbers add up exactly, so that draws which are all alike are equal.
    counts = np.asarray(resample_counts(x.size, generator, resamples), dtype=np.float64)
    draws = np.asarray(((counts @ wins(x, y)) * counts).sum(axis=1) / x.size**2, dtype=np.float64)
    return percentile_interval(superiority(x, y), draws)


def differences(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return (n,) differences of pairs of (n,) and (n,) values; those that are equal up to rounding are one number.

    Raises:
        ValueError: The groups are not of one size, or a value is not finite.
    """
    x, y = _pairs(first, second)
    scale = float(np.abs(np.concatenate([x, y])).max()) if x.size else 0.0
    (gaps,) = levelled(x - y, scale=scale)
    return gaps


def standard_error(gaps: Floats) -> float:
    """Return the standard error of the mean of at least two differences (n,) that vary."""
    # Scaled by the spread: squares of very small or very large returns stay in range.
    scale = float(np.abs(gaps - gaps.mean()).max())
    return scale * float(np.std(gaps / scale, ddof=1)) / sqrt(gaps.size)


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    x, y = levelled(finite(first, "the first group"), finite(second, "the second group"))
    if x.size != y.size:
        raise ValueError(f"pairs need groups of one size, not {x.size} and {y.size}")
    return x, y


@lru_cache(maxsize=2)
def _all_signs(size: int) -> NDArray[np.float64]:
    """Return (2^size, size) every choice of signs."""
    bits = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
    signs: NDArray[np.float64] = 1.0 - 2.0 * bits
    signs.flags.writeable = False
    return signs
