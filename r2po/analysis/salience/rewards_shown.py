"""Worst, median and best of the rollouts of a proposal, and what their order says about salience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from r2po.analysis.logs.run_data import Floats

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "identical": "worst = median = best",
        "worst_eq_median": "worst = median < best",
        "median_eq_best": "worst < median = best",
        "all_diverse": "worst < median < best",
    }
)
"""Reward groups, with their names in tables."""


@dataclass(frozen=True)
class Extremes:
    """Returns of three rollouts of a proposal.

    Attributes:
        worst: The smallest.
        median: That of the rollout closest to the median, as prompts choose it.
        best: The largest.
    """

    worst: float
    median: float
    best: float

    @property
    def group(self) -> str:
        """The reward group, a key of ``GROUPS``."""
        if self.worst == self.best:
            return "identical"
        if self.worst == self.median:
            return "worst_eq_median"
        return "median_eq_best" if self.median == self.best else "all_diverse"

    @property
    def old_proxy(self) -> bool:
        """Whether the worst rollout stands out from the best one."""
        return self.worst <= self.median and self.worst < self.best

    @property
    def strict_proxy(self) -> bool:
        """Whether the worst rollout stands out from the median one."""
        return self.worst < self.median


def extremes(returns: Floats) -> Extremes:
    """Return worst, median and best of (K,) returns, K at least 1."""
    median = returns[np.abs(returns - np.median(returns)).argmin()]
    return Extremes(float(returns.min()), float(median), float(returns.max()))
