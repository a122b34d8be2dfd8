"""Odds ratios of events that come in clusters, within strata: a run's iterations are alike, and a level's.

Intervals take the wider of what the spread between clusters demands and what independent events would have.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import ArrayLike

from r2po.analysis.statistics.arrays import Floats
from r2po.analysis.statistics.clusters import Z95, quantile, variance


@dataclass(frozen=True)
class OddsRatio:
    """Odds of an event in one group over its odds in another.

    Attributes:
        value: The ratio.
        low: Lower end of the 95 % interval.
        high: Upper end.
        corrected: Whether 1/2 was added to each of the four counts, since otherwise it would be 0 or infinite.
        clustered: Whether the interval takes account of what events of a cluster have in common.
    """

    value: float
    low: float
    high: float
    corrected: bool
    clustered: bool


def odds_ratio(counts: ArrayLike) -> OddsRatio | None:
    """Return the odds ratio of an event between two groups (Mantel and Haenszel 1959) with its 95 % interval.

    ``counts`` are (R, K, 4): events and members of the first group, and of the second one, in each of R clusters and
    K strata. Only members of one stratum are compared. The group in fewer clusters sets the degrees of freedom; if that
    is in a single one, events pass for independent. The result is None if no stratum has both groups.

    Raises:
        ValueError: More events than members.
    """
    cells = _cells(counts)
    both = (cells[..., :2].sum(axis=(0, 2)) > 0) & (cells[..., 2:].sum(axis=(0, 2)) > 0)
    if not both.any():
        return None
    cells = cells[:, both]
    table = cells.sum(axis=0)
    corrected = not all(_products(table).sum(axis=0))
    if corrected:
        # Haldane and Anscombe's correction, of which each stratum gets an equal part.
        table = table + 0.5 / len(table)
    above, below = _products(table).sum(axis=0).tolist()
    half = Z95 * sqrt(_independent_variance(table))
    runs = min(int((cells[..., group].sum(axis=(1, 2)) > 0).sum()) for group in (slice(0, 2), slice(2, 4)))
    if runs > 1:
        influences = np.einsum("rkc,kc->r", cells, _derivatives(table))
        half = max(half, quantile(runs) * sqrt(variance(influences, runs)))
    middle = log(above / below)
    return OddsRatio(above / below, exp(middle - half), exp(middle + half), corrected, clustered=runs > 1)


def _cells(counts: ArrayLike) -> Floats:
    """Return (R, K, 4) events and others of the first group, and of the second one."""
    array = np.asarray(counts, dtype=np.float64)
    events, members = array[..., 0::2], array[..., 1::2]
    for count, total in zip(events.ravel().tolist(), members.ravel().tolist(), strict=True):
        if not 0 <= count <= total:
            raise ValueError(f"{count:g} of {total:g} is not a share")
    return np.stack([events[..., 0], (members - events)[..., 0], events[..., 1], (members - events)[..., 1]], axis=-1)


def _products(table: Floats) -> Floats:
    """Return (K, 2) what each stratum adds above and below the line."""
    a, b, c, d = table.T
    products: Floats = np.stack([a * d, b * c], axis=1) / table.sum(axis=1, keepdims=True)
    return products


def _independent_variance(table: Floats) -> float:
    """Return the variance of the logarithm, after Robins, Breslow and Greenland (1986); of one stratum, Woolf's."""
    a, b, c, d = table.T
    size = table.sum(axis=1)
    along, across = (a + d) / size, (b + c) / size
    above, below = _products(table).T
    parts = (
        (along * above).sum() / above.sum() ** 2,
        (along * below + across * above).sum() / (above.sum() * below.sum()),
        (across * below).sum() / below.sum() ** 2,
    )
    return float(sum(parts)) / 2


def _derivatives(table: Floats) -> Floats:
    """Return (K, 4) derivatives of the logarithm by each count."""
    a, b, c, d = table.T
    size, none = table.sum(axis=1), np.zeros(len(table))
    above, below = _products(table).T
    up = (np.stack([d, none, none, a]) - above) / size / above.sum()
    down = (np.stack([none, c, b, none]) - below) / size / below.sum()
    derivatives: Floats = (up - down).T
    return derivatives
