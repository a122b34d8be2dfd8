"""Is the change from one policy to another more than the noise of its few rollouts? For many pairs at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from r2po.analysis.statistics.arrays import Floats
from r2po.analysis.statistics.bootstrap import middle, resample_counts
from r2po.rounding import RELATIVE
from r2po.seeding import derive_seed

RESAMPLES = 2_000
SIMULATED = 4_000
"""Pairs of equally good policies that ``false_alarms`` simulates: its standard error is about a third of a per cent."""
CHUNK = 1_000
"""Pairs that share a set of resamples; their intervals are each valid, and cost little."""


@dataclass(frozen=True, eq=False)
class MeanChange:
    """(N,) mean return of the second policy of each pair minus that of the first, and (N,) ends of the intervals."""

    value: Floats
    low: Floats
    high: Floats


def mean_changes(
    first: Floats, second: Floats, generator: np.random.Generator, *, paired: bool, resamples: int = RESAMPLES
) -> MeanChange:
    """Return the change of mean return with its 95 % bootstrap percentile interval, for N pairs of policies.

    There are (N, K) returns before and (N, L) after. If they are ``paired``, rollout k of both started from the same
    seed (then K = L): pairs are resampled, and what the seeds have in common does not widen the interval. Otherwise
    each side is resampled by itself.

    Raises:
        ValueError: Shapes do not fit, or a return is not finite.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    _check(first, second, paired)
    largest = np.maximum(np.abs(first).max(axis=1), np.abs(second).max(axis=1))
    value = second.mean(axis=1) - first.mean(axis=1)
    bounds: list[Floats] = [np.empty((0, 2))]
    for start in range(0, len(first), CHUNK):
        before, after = first[start : start + CHUNK], second[start : start + CHUNK]
        if paired:
            draws = _resampled_means(after - before, generator, resamples)
        else:
            draws = _resampled_means(after, generator, resamples) - _resampled_means(before, generator, resamples)
        bounds.append(middle(draws, axis=1).T)
    low, high = np.concatenate(bounds).T
    return MeanChange(*(_without_last_bits(each, largest) for each in (value, low, high)))


@cache
def false_alarms(before: int, after: int, paired: bool) -> float:
    """Return how often the interval excludes 0 though both policies are equally good, with so many rollouts of each.

    It is simulated, with normally distributed returns; intervals of few rollouts are too narrow.
    """
    generator = np.random.default_rng(derive_seed(0, "false alarms", before, after, int(paired)))
    first, second = (generator.normal(size=(SIMULATED, count)) for count in (before, after))
    found = mean_changes(first, second, generator, paired=paired and before == after)
    return float(np.mean((found.low > 0) | (found.high < 0)))


def _without_last_bits(changes: Floats, largest: Floats) -> Floats:
    """Return (N,) changes, 0 where rounding alone may have made them of returns of that size."""
    return np.where(np.abs(changes) <= RELATIVE * largest, 0.0, changes)


def _resampled_means(returns: Floats, generator: np.random.Generator, resamples: int) -> Floats:
    """Return (N, resamples) means of resampled returns, from (N, K)."""
    weights = resample_counts(returns.shape[1], generator, resamples) / returns.shape[1]
    # Around the first return: equal returns then have exactly their own mean.
    base = returns[:, :1]
    return base + (returns - base) @ weights.T


def _check(first: Floats, second: Floats, paired: bool) -> None:
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or 0 in (first.shape[1], second.shape[1]):
        raise ValueError(f"expected returns of shape (N, K) and (N, L), not {first.shape} and {second.shape}")
    if paired and first.shape != second.shape:
        raise ValueError(f"pairs need as many returns before as after, not {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("returns must be finite")
