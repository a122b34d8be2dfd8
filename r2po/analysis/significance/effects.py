"""How large the difference of a test is, with intervals, and how large it must be to be found."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from r2po.analysis.output.scores import FEW_RUNS
from r2po.analysis.significance.groups import Group
from r2po.analysis.statistics.bootstrap import ConfidenceInterval
from r2po.analysis.statistics.effect import (
    detectable_gap,
    hedges_g,
    paired_hedges_g,
    pooled_std,
    superiority_interval,
)
from r2po.analysis.statistics.paired import differences, joint_superiority, paired_interval, standard_error
from r2po.analysis.statistics.welch import TTest, welch_interval
from r2po.seeding import derive_seed

LEVEL = 0.05
"""Level of a family of tests."""


@dataclass(frozen=True)
class Effect:
    """R2PO minus a baseline. Without any variance, nothing has an interval but the probability.

    Attributes:
        gap: Difference of the means with the 95 % interval of the test that was made.
        g: The same in pooled standard deviations: Hedges' g.
        improvement: Probability that a run of R2PO is better than one of the baseline.
        error: Standard error of the difference; 0 without variance.
        degrees: Degrees of freedom of the test.
        std: Pooled standard deviation of both groups.
        runs: Number of runs of the smaller group.
    """

    gap: ConfidenceInterval | None
    g: ConfidenceInterval | None
    improvement: ConfidenceInterval
    error: float
    degrees: float
    std: float
    runs: int

    @property
    def is_of_few(self) -> bool:
        """Whether there are so few runs on a side that its intervals rest on normality, or are too narrow."""
        return self.runs < FEW_RUNS

    def detectable(self, tests: int) -> float | None:
        """Return the smallest gap that is found in 80 % of all cases, at these numbers and spreads of runs.

        The level is that of Holm's first step, ``LEVEL`` over the number of tests of the family. None without variance.
        """
        return detectable_gap(self.error, self.degrees, LEVEL / tests) if self.error else None


def effect_of(ours: Group, baseline: Group, test: TTest, paired: tuple[tuple[float, ...], ...] | None) -> Effect | None:
    """Return the effect behind a test; None where nothing was tested. ``paired`` has the values of pairs, if any."""
    if test.too_few:
        return None
    first, second = paired or (ours.values, baseline.values)
    varies = bool(test.degrees)
    gap = (paired_interval if paired else welch_interval)(first, second) if varies else None
    if not varies:
        error = 0.0
    elif paired:
        error = standard_error(differences(first, second))
    else:
        error = sqrt(ours.part[0] + baseline.part[0])
    return Effect(
        gap=gap,
        g=(paired_hedges_g if paired else hedges_g)(first, second) if varies else None,
        improvement=_improvement(first, second, baseline.label, is_paired=bool(paired)),
        error=error,
        degrees=test.degrees,
        std=pooled_std(first, second),
        runs=min(len(first), len(second)),
    )


def _improvement(
    first: tuple[float, ...], second: tuple[float, ...], label: str, *, is_paired: bool
) -> ConfidenceInterval:
    """Return the probability of improvement; of pairs with a joint bootstrap, unless that has no width.

    Of few pairs it is much too narrow (at most 77 % coverage at 3); Newcombe's is too wide for them, which is safe.
    """
    if is_paired and len(first) >= FEW_RUNS:
        generator = np.random.default_rng(derive_seed(0, "significance", "probability of improvement", label))
        joint = joint_superiority(first, second, generator)
        if joint.low < joint.high:
            return joint
    return superiority_interval(first, second)
