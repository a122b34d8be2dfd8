"""Performance profiles: the share of runs above each score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from r2po.analysis.statistics.arrays import Floats, strata
from r2po.analysis.statistics.bootstrap import ConfidenceInterval, middle, resample_counts
from r2po.rounding import RELATIVE


@dataclass(frozen=True, eq=False)
class Profile:
    """A performance profile over m thresholds.

    At each of them (m,) the share of runs whose score is larger, averaged over environments, and the ends of its
    pointwise interval.
    """

    thresholds: Floats
    share: Floats
    low: Floats
    high: Floats

    @property
    def intervals(self) -> list[ConfidenceInterval]:
        """The share at each threshold, with its interval."""
        columns = (column.tolist() for column in (self.share, self.low, self.high))
        return [ConfidenceInterval(*each) for each in zip(*columns, strict=True)]


def performance_profile(
    scores: Sequence[ArrayLike], thresholds: ArrayLike, generator: np.random.Generator, *, resamples: int = 2_000
) -> Profile:
    """Return the run-score distribution of a method with stratified, pointwise 95 % intervals (Agarwal et al. 2021).

    ``scores`` are (runs,) for each environment, which counts the same whatever its number of runs; there are (m,)
    ``thresholds``.

    Raises:
        ValueError: No environment, one without runs, or a score that is not finite.
    """
    taus = np.asarray(thresholds, dtype=np.float64)
    # The distance from the random policy to the target is 1: a score is rounded as 1 is, however small it is.
    above = [each[:, None] - taus > RELATIVE for each in strata(scores)]
    draws = np.zeros((resamples, taus.size))
    for each in above:
        # How many of n resampled runs lie above a threshold depends on how often each run is drawn, for all thresholds.
        draws += resample_counts(len(each), generator, resamples) @ each / len(each)
    low, high = middle(draws / len(above))
    return Profile(taus, np.mean([each.mean(axis=0) for each in above], axis=0), low, high)
