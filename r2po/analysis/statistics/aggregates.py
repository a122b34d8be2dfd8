"""One number for a method over all environments (Agarwal et al. 2021), on scores that are comparable between them.

Each takes (..., n) scores along the last axis, so that resamples are aggregated at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from r2po.analysis.statistics.arrays import Floats

Aggregate = Callable[[Floats], Floats]


def iqm(scores: Floats) -> Floats:
    """Return the interquartile mean: the mean without the lowest and the highest quarter.

    A quarter is rounded down to whole scores, as scipy's ``trim_mean`` and rliable do.
    """
    cut = scores.shape[-1] // 4
    ordered = np.partition(scores, [cut, scores.shape[-1] - cut - 1], axis=-1)
    return np.asarray(ordered[..., cut : scores.shape[-1] - cut].mean(axis=-1), np.float64)


def mean(scores: Floats) -> Floats:
    """Return the mean."""
    return np.asarray(scores.mean(axis=-1), np.float64)


def median(scores: Floats) -> Floats:
    """Return the median over all runs of all environments."""
    return np.asarray(np.median(scores, axis=-1), np.float64)


def optimality_gap(scores: Floats) -> Floats:
    """Return how far scores stay below the target on average; beyond the target nothing is gained."""
    return np.asarray(np.maximum(1.0 - scores, 0.0).mean(axis=-1), np.float64)


AGGREGATES: Mapping[str, Aggregate] = MappingProxyType(
    {"iqm": iqm, "median": median, "mean": mean, "optimality_gap": optimality_gap}
)
