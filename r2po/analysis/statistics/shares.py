"""Shares of events that come in clusters: iterations of one run are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.special import betaincinv, betaln

from r2po.analysis.statistics.arrays import Floats
from r2po.analysis.statistics.bootstrap import LEVEL

LIKENESS_PRIOR = (1.0, 2.0)
"""Beta distribution of the likeness of two events of a cluster, before anything is seen; its mean is 1/3."""
ANGLES = 256
LIKENESSES = 16
"""Points at which shares and likenesses are tried."""


def share_interval(clusters: Sequence[tuple[int, int]]) -> tuple[float, float] | None:
    """Return the 95 % interval of a share over clusters, of which the events and members are given.

    It is the central credible interval of the beta-binomial model (Williams 1975): each cluster has a share of its own,
    drawn from a beta distribution; the interval is that of its mean. How alike the members of a cluster are is not
    estimated but averaged over, by how well it explains the clusters. The share has Jeffreys' prior. There is
    therefore no jump at shares of 0 and 1, nor at a single cluster, which tells nothing of others.

    None if no cluster has members.

    Raises:
        ValueError: More events than members.
    """
    for count, total in clusters:
        if not 0 <= count <= total:
            raise ValueError(f"{count} of {total} is not a share")
    return _interval(tuple(sorted(each for each in clusters if each[1])))


@cache
def _interval(clusters: tuple[tuple[int, int], ...]) -> tuple[float, float] | None:
    if not clusters:
        return None
    count, total = (sum(column) for column in zip(*clusters, strict=True))
    angles, density = _posterior(clusters)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    ends = np.interp([(1 - LEVEL) / 2, (1 + LEVEL) / 2], below / below[-1], angles)
    low, high = (np.sin(ends) ** 2).tolist()
    # Where all or none are events, nothing speaks against 1 or 0.
    return min(low, count / total) if count else 0.0, max(high, count / total) if count < total else 1.0


def _posterior(clusters: tuple[tuple[int, int], ...]) -> tuple[Floats, Floats]:
    """Return (n,) angles, whose squared sines are shares, and the density there; Jeffreys' prior is flat in them."""
    angles = np.linspace(0, np.pi / 2, ANGLES + 2, dtype=np.float64)[1:-1]
    shares, size = np.sin(angles)[:, None] ** 2, 1 / _likenesses() - 1
    events, others = shares * size, (1 - shares) * size
    fit = np.zeros_like(events)
    for (count, total), times in Counter(clusters).items():
        fit += times * (betaln(count + events, total - count + others) - betaln(events, others))
    return angles, np.exp(fit - fit.max()).sum(axis=1)


@cache
def _likenesses() -> Floats:
    """Return points that are equally likely before anything is seen."""
    middles = (np.arange(LIKENESSES) + 0.5) / LIKENESSES
    return np.asarray(betaincinv(*LIKENESS_PRIOR, middles), dtype=np.float64)
