"""One number for a method over all environments (Agarwal et al. 2021), on scores that are comparable between them.

Each takes (..., n) scores along the last axis, so that resamples are aggregated at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from r2po.analysis.statistics.arrays import Floats

Aggregate = Callable[[Floats], NDArray[np.float64]]


def iqm(scores: Floats) -> NDArray[np.float64]:
    """Return the interquartile mean: the mean without the lowest and the highest quarter.

    A quarter is rounded down to whole scores, as scipy's ``trim_mean`` and rliable do.
    """
    cut = scores.shape[-1] // 4
    ordered = np.partition(scores, [cut, scores.shape[-1] - cut - 1], axis=-1)
    kept: NDArray[np.float64] = ordered[..., cut : scores.shape[-1] - cut].mean(axis=-1)
    return kept


def mean(scores: Floats) -> NDArray[np.float64]:
    """Return the mean."""
    value: NDArray[np.float64] = scores.mean(axis=-1)
    return value


def median(scores: Floats) -> NDArray[np.float64]:
    """Return the median over all runs of all environments."""
    return np.asarray(np.median(scores, axis=-1), dtype=np.float64)


def optimality_gap(scores: Floats) -> NDArray[np.float64]:
    """Return how far scores stay below the target on average; beyond the target nothing is gained."""
    gap: NDArray[np.float64] = np.maximum(1.0 - scores, 0.0).mean(axis=-1)
    return gap


AGGREGATES: Mapping[str, Aggregate] = MappingProxyType(
    {"iqm": iqm, "median": median, "mean": mean, "optimality_gap": optimality_gap}
)
