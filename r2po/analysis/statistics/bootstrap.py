"""Bootstrap intervals: runs are drawn again with replacement, within each environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from r2po.analysis.statistics.arrays import Floats, Ints, strata

RESAMPLES = 10_000
LEVEL = 0.95
"""Coverage of all intervals."""
CHUNK_VALUES = 4_000_000
"""Resampled scores held in memory at once."""


@dataclass(frozen=True)
class ConfidenceInterval:
    """A figure on the data as they are, with the ends of its interval."""

    value: float
    low: float
    high: float


def stratified_bootstrap(
    scores: Sequence[ArrayLike],
    statistic: Callable[[Floats], NDArray[np.float64]],
    generator: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
) -> ConfidenceInterval:
    """Return a statistic of all scores with its stratified 95 % percentile interval (Agarwal et al. 2021).

    ``scores`` are (runs,) for each environment; ``statistic`` makes (...) values of (..., n) pooled ones.

    Raises:
        ValueError: No environment, one without runs, or a score that is not finite.
    """
    arrays = strata(scores)
    value = float(statistic(np.concatenate(arrays)))
    total = sum(each.size for each in arrays)
    chunk = max(1, CHUNK_VALUES // total)
    sizes = [min(chunk, resamples - start) for start in range(0, resamples, chunk)]
    pooled = (np.hstack([x[generator.integers(x.size, size=(n, x.size))] for x in arrays]) for n in sizes)
    draws = np.concatenate([statistic(each) for each in pooled])
    return percentile_interval(value, draws)


def resample_counts(size: int, generator: np.random.Generator, count: int) -> Ints:
    """Return (count, size) how often each of ``size`` values is in a resample: means and shares need no more."""
    return generator.multinomial(size, np.full(size, 1 / size), size=count)


def middle(draws: Floats, axis: int = 0) -> Floats:
    """Return the ends (2, ...) of the middle ``LEVEL`` of the draws along an axis."""
    ends: Floats = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=axis)
    return ends


def percentile_interval(value: float, draws: Floats) -> ConfidenceInterval:
    """Return the middle ``LEVEL`` of (resamples,) draws as an interval."""
    low, high = middle(draws)
    return ConfidenceInterval(value, float(low), float(high))
