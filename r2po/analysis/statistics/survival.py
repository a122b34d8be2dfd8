"""How much it takes to reach a target, where some runs end before they reach it (Kaplan and Meier 1958)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from r2po.analysis.statistics.arrays import Floats, Ints, finite


@dataclass(frozen=True, eq=False)
class Survival:
    """The estimated share of runs that have not reached the target yet, a falling step function.

    Attributes:
        at: (m,) increasing positions at which a run reached it.
        share: (m,) share that has still not reached it, from each of these positions on.
        at_risk: (m,) runs that had neither reached it nor ended before.
        end: The last position of any run: beyond, nothing is known unless the share is 0.
    """

    at: Floats
    share: Floats
    at_risk: Ints
    end: float

    @property
    def median(self) -> float | None:
        """The first position by which half of the runs have reached it; None if that is not known."""
        # Products of shares such as 9/10 * 8/9 ... miss 1/2 by their last bits.
        below = np.flatnonzero(self.share <= 0.5 + 1e-12)
        return float(self.at[below[0]]) if below.size else None

    def restricted_mean(self, limit: float) -> float:
        """Return the mean position at which runs reach it, those beyond ``limit`` counted as ``limit``.

        It is the area under the share from 0 to ``limit``. Beyond ``end`` the share is taken to stay as it is.
        """
        inside = self.at < limit
        corners = np.concatenate([[0.0], self.at[inside], [limit]])
        heights = np.concatenate([[1.0], self.share[inside]])
        return float(np.diff(corners) @ heights)


def kaplan_meier(positions: ArrayLike, reached: ArrayLike) -> Survival:
    """Estimate it from (n,) positions at which runs reached the target or, where ``reached`` is False, ended without.

    A run that ends where another one reaches the target counts as at risk there.

    Raises:
        ValueError: There is no run, or positions and ``reached`` do not fit, or a position is not finite.
    """
    times, events = finite(positions, "positions"), np.asarray(reached, dtype=bool)
    if not times.size or times.shape != events.shape:
        raise ValueError(f"expected n positions and n truth values, n > 0, not {times.shape} and {events.shape}")
    at = np.unique(times[events])
    at_risk = (times[:, None] >= at).sum(axis=0)
    deaths = (times[events][:, None] == at).sum(axis=0)
    return Survival(at, np.cumprod(1 - deaths / at_risk), at_risk, float(times.max()))
