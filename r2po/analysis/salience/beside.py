"""Our share of a sign beside one of which only counts are known."""

from __future__ import annotations

from math import sqrt

from scipy.special import stdtr

from r2po.analysis.salience.signs import Share
from r2po.analysis.statistics.clusters import Z95
from r2po.analysis.statistics.welch import TTest


def share_test(ours: Share, count: int, total: int) -> TTest | None:
    """Test whether our share is that of ``count`` in ``total`` iterations, whose runs are not known.

    It is the score test: the standard error is that of two equal shares, their common one. It is wider by how much
    more the interval of ours tells of alike iterations than of independent ones; those of the other are taken to be as
    much alike. As this is known from our runs only, p is that of Student's t with as many degrees of freedom, less one.

    None where fewer than two runs of ours have iterations of which it is known, as one run tells nothing of others, or
    where all or none of both have the sign, so that there is no scale.
    """
    runs = sum(known > 0 for _, known in ours.by_run)
    if runs < 2 or ours.interval is None or not total:
        return None
    common = (ours.count + count) / (ours.known + total)
    error = sqrt(_alike(ours, *ours.interval) * common * (1 - common) * (1 / ours.known + 1 / total))
    if not error:
        return None
    t = (ours.count / ours.known - count / total) / error
    return TTest(t=t, p=2 * float(stdtr(runs - 1, -abs(t))), degrees=runs - 1)


def _alike(ours: Share, low: float, high: float) -> float:
    """Return by how much the variance of our share is larger than that of as many independent iterations."""
    variance = ((high - low) / (2 * Z95)) ** 2
    smoothed = (ours.count + 0.5) / (ours.known + 1)
    return max(1.0, variance * ours.known / (smoothed * (1 - smoothed)))
