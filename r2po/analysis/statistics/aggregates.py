"""One number for a method over all environments (Agarwal et al. 2021), on scores that are comparable between them.

Each takes the scores of the environments, (..., n) of each along the last axis, so that resamples are aggregated at
once. Every environment counts the same, however many runs it has: a method could otherwise gain or lose by where it
was run more often. Where all have equally many runs, the results are those of rliable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import lcm
from types import MappingProxyType

import numpy as np

from r2po.analysis.statistics.arrays import Floats

Aggregate = Callable[[Sequence[Floats]], Floats]


def iqm(scores: Sequence[Floats]) -> Floats:
    """Return the interquartile mean: the mean without the lowest and the highest quarter.

    It is that of the scores repeated until each environment has equally many. A quarter of them is rounded down to
    whole ones, as scipy's ``trim_mean`` and rliable do.
    """
    sizes = [each.shape[-1] for each in scores]
    common = lcm(*sizes)
    total = common * len(sizes)
    cut = total // 4
    pooled = np.concatenate(scores, axis=-1)
    order = np.argsort(pooled, axis=-1, kind="stable")
    # How often each score is repeated, from the smallest score on; of those repetitions, how many are within the cuts.
    repeats = np.repeat([float(common // size) for size in sizes], sizes)[order]
    ends = np.cumsum(repeats, axis=-1)
    kept = np.clip(np.minimum(ends, total - cut) - np.maximum(ends - repeats, cut), 0.0, None)
    ordered = np.take_along_axis(pooled, order, axis=-1)
    return np.asarray((kept * ordered).sum(axis=-1) / (total - 2 * cut), np.float64)


def mean(scores: Sequence[Floats]) -> Floats:
    """Return the mean over environments of their means."""
    return np.asarray(_means(scores).mean(axis=0), np.float64)


def median(scores: Sequence[Floats]) -> Floats:
    """Return the median over environments of their means, as Agarwal et al. define it: not that of single runs."""
    return np.asarray(np.median(_means(scores), axis=0), np.float64)


def optimality_gap(scores: Sequence[Floats]) -> Floats:
    """Return how far scores stay below the target on average; beyond the target nothing is gained."""
    return mean([np.maximum(1.0 - each, 0.0) for each in scores])


def _means(scores: Sequence[Floats]) -> Floats:
    return np.stack([each.mean(axis=-1) for each in scores])


AGGREGATES: Mapping[str, Aggregate] = MappingProxyType(
    {"iqm": iqm, "median": median, "mean": mean, "optimality_gap": optimality_gap}
)
