"""Runs on a common grid: mean over runs of what each run had last reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from r2po.analysis.statistics.arrays import Floats, Ints
from r2po.rounding import levelled


@dataclass(frozen=True, eq=False)
class Series:
    """Values of one run along its progress.

    Attributes:
        at: (n,) increasing positions, e.g. episodes spent.
        values: (n,) value reported at each position.
        carried: Whether the last value holds for ever. It does for a complete run; where an unfinished run would have
            gone is unknown.
    """

    at: NDArray[np.int64] | NDArray[np.float64]
    values: Floats
    carried: bool


@dataclass(frozen=True, eq=False)
class MeanCurve:
    """Mean over runs on m grid points.

    Attributes:
        grid: (m,) positions.
        mean: (m,) mean over the runs that have a value there.
        std: (m,) sample standard deviation (ddof 1) over them; nan where there is a single one.
        count: (m,) number of runs that have a value there, at least 1.
    """

    grid: Floats
    mean: Floats
    std: Floats
    count: Ints

    @property
    def stretches(self) -> list[MeanCurve]:
        """The parts with the same number of runs, one after the other: from one to the next, the sample changes."""
        breaks = np.flatnonzero(np.diff(self.count)) + 1
        parts = [np.split(each, breaks) for each in (self.grid, self.mean, self.std, self.count)]
        return [MeanCurve(*part) for part in zip(*parts, strict=True)]


def mean_curve(runs: Sequence[Series]) -> MeanCurve:
    """Average runs whose positions differ.

    The grid holds every position at which any run reports, from the first one that all runs have reached. Joining each
    run's own positions instead would compare different runs at neighbouring points and draw a zigzag.
    """
    start = max(run.at[0] for run in runs)
    grid = np.unique(np.concatenate([run.at for run in runs])).astype(np.float64)
    grid = grid[grid >= start]
    values = np.stack([carry(run, grid) for run in runs])
    # Runs that all did the same have a flat mean and no spread, which else would show the rounding.
    (level,) = levelled(values.ravel())
    values = level.reshape(values.shape)
    base = np.nanmin(values)
    values = values - base
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    std = np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
    return MeanCurve(grid, base + mean, std, count)


def carry(run: Series, grid: Floats) -> Floats:
    """Return (m,) the latest value reported at or before each grid point; nan where the run has none."""
    latest = np.searchsorted(run.at, grid, side="right") - 1
    values = np.where(latest < 0, np.nan, run.values[np.maximum(latest, 0)])
    return values if run.carried else np.where(grid > run.at[-1], np.nan, values)
