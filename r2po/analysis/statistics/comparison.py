"""Probability of improvement: how likely a run of one method beats a run of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from r2po.analysis.statistics.arrays import Floats, strata
from r2po.analysis.statistics.bootstrap import RESAMPLES, ConfidenceInterval, percentile_interval, resample_counts
from r2po.rounding import levelled


def probability_of_improvement(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    generator: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
) -> ConfidenceInterval:
    """Return P(first > second) + P(first = second) / 2, averaged over environments, with its 95 % interval.

    Both have (runs,) scores for each of the same environments, in the same order; both are resampled within each.

    Raises:
        ValueError: Numbers of environments differ, one has no runs, or a score is not finite.
    """
    x, y = strata(first), strata(second)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} environments against {len(y)}")
    pairs = list(zip(x, y, strict=True))
    value = float(np.mean([superiority(a, b) for a, b in pairs]))
    draws = np.mean([_resampled(a, b, generator, resamples) for a, b in pairs], axis=0)
    return percentile_interval(value, draws)


def superiority(first: Floats, second: Floats) -> float:
    """Return P(first > second) + P(first = second) / 2 over all pairs: Mann-Whitney's U over n m."""
    return float(wins(first, second).mean())


def wins(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Return (n, m) 1 where first is larger, 1/2 where equal up to rounding, 0 where smaller."""
    x, y = levelled(first, second)
    return 0.5 + 0.5 * np.sign(x[:, None] - y[None, :])


def _resampled(first: Floats, second: Floats, generator: np.random.Generator, resamples: int) -> Floats:
    """Return (resamples,) superiorities.

    A resample is known by how often it holds each run, so each pair is compared only once.
    """
    won = wins(first, second)
    shares = [resample_counts(each.size, generator, resamples) / each.size for each in (first, second)]
    return np.asarray(((shares[0] @ won) * shares[1]).sum(axis=1), dtype=np.float64)
