"""A value that is held until the next one: at a budget, its mean up to it, and when it first was enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2po.analysis.statistics.arrays import Floats
from r2po.rounding import exceeds


@dataclass(frozen=True, eq=False)
class Steps:
    """What a run had at each point of its spending.

    Attributes:
        at: (n,) what it had spent when it reported each value, not decreasing, from 0; n is at least 1.
        values: (n,) the values, each held until the next one, and the last one for ever.
    """

    at: Floats
    values: Floats

    @property
    def spent(self) -> float:
        """What the run spent in all."""
        return float(self.at[-1])

    def at_budget(self, budget: float) -> float | None:
        """Return the last value reported within a budget; None if the first one came later."""
        reported = int(np.searchsorted(self.at, budget, side="right"))
        return float(self.values[reported - 1]) if reported else None

    def mean_to(self, budget: float, before: float) -> float:
        """Return the area under the values from 0 to a budget, divided by the budget, which is above 0.

        Until the first value is reported, it is ``before``: what one has without spending anything.
        """
        inside = self.at < budget
        corners = np.concatenate([[0.0], self.at[inside], [budget]])
        heights = np.concatenate([[before], self.values[inside]])
        return float(np.diff(corners) @ heights) / budget

    def first_at_least(self, target: float) -> float | None:
        """Return what was spent when a value first was the target or better, up to rounding; None if none was."""
        enough = np.flatnonzero(~exceeds(np.full_like(self.values, target), self.values))
        return float(self.at[enough[0]]) if enough.size else None
