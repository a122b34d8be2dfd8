"""Bootstrap intervals: runs are drawn again with replacement, within each environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from r2po.analysis.statistics.arrays import Floats, Ints, strata

RESAMPLES = 10_000
LEVEL = 0.95
"""Coverage of all intervals."""
CHUNK_VALUES = 4_000_000
"""Resampled scores held in memory at once."""
FEWEST_RUNS = 5
"""With fewer runs of an environment, percentile intervals are too narrow to be read as 95 %, which outputs must say."""


@dataclass(frozen=True)
class ConfidenceInterval:
    """A figure on the data as they are, with the ends of its interval."""

    value: float
    low: float
    high: float


def stratified_bootstrap(
    scores: Sequence[ArrayLike],
    statistic: Callable[[Sequence[Floats]], Floats],
    generator: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
) -> ConfidenceInterval:
    """Return a statistic of all scores with its stratified 95 % percentile interval (Agarwal et al. 2021).

    ``scores`` are (runs,) for each environment; ``statistic`` makes (...) values of (..., runs) for each.

    Raises:
        ValueError: No environment, one without runs, or a score that is not finite.
    """
    arrays = strata(scores)
    return percentile_interval(float(statistic(arrays)), _draws(arrays, statistic, generator, resamples))


def bootstrap_difference(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    statistic: Callable[[Sequence[Floats]], Floats],
    generator: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
) -> ConfidenceInterval:
    """Return a statistic of the first scores minus that of the second, with its stratified 95 % percentile interval.

    Both have (runs,) scores for each of the same environments, in the same order, and are resampled independently.

    Raises:
        ValueError: Numbers of environments differ, one has no runs, or a score is not finite.
    """
    x, y = strata(first), strata(second)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} environments against {len(y)}")
    value = float(statistic(x)) - float(statistic(y))
    draws = [_draws(each, statistic, generator, resamples) for each in (x, y)]
    return percentile_interval(value, draws[0] - draws[1])


def _draws(
    arrays: Sequence[Floats],
    statistic: Callable[[Sequence[Floats]], Floats],
    generator: np.random.Generator,
    resamples: int,
) -> Floats:
    """Return the (resamples,) values of a statistic, a chunk of resamples at a time."""
    chunk = max(1, CHUNK_VALUES // sum(each.size for each in arrays))
    sizes = [min(chunk, resamples - start) for start in range(0, resamples, chunk)]
    return np.concatenate([statistic([_resampled(x, generator, size) for x in arrays]) for size in sizes])


def _resampled(values: Floats, generator: np.random.Generator, count: int) -> Floats:
    drawn: Floats = values[generator.integers(values.size, size=(count, values.size))]
    return drawn


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
