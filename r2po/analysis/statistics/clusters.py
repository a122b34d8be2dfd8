"""What comes in clusters: iterations of one run are alike, and many of them are worth less than as many runs.

A cluster's influence on an estimate is how far its own members are from what the estimate says of them; the spread of
the influences is the estimate's standard error, whatever the members of a cluster have in common (the sandwich
estimator, Liang and Zeger 1986).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from r2po.analysis.statistics.arrays import Floats
from r2po.rounding import mean, sample_std

Z95 = 1.959963984540054
"""Quantile 0.975 of the standard normal distribution."""


def variance(influences: Floats, clusters: int) -> float:
    """Return the variance of an estimate from the (R,) influences of clusters, as many as there are or count."""
    return clusters / (clusters - 1) * float(np.square(influences).sum())


def quantile(clusters: int) -> float:
    """Return Student's quantile 0.975 with as many degrees of freedom as there are clusters, less one."""
    return float(stdtrit(clusters - 1, 0.975))


def mean_half_width(clusters: Sequence[Sequence[float]]) -> float:
    """Return half the width of the 95 % interval of the mean of all values; at least two clusters have values.

    It is the wider of that over clusters and that of independent values.
    """
    clusters = [each for each in clusters if len(each)]
    values = np.concatenate(clusters)
    influences = np.array([sum(each) - len(each) * mean(values) for each in clusters]) / values.size
    alike = quantile(len(clusters)) * sqrt(variance(influences, len(clusters)))
    return max(alike, Z95 * sample_std(values) / sqrt(values.size))
