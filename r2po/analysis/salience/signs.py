"""How often a sign is found among iterations of each direction, run by run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from r2po.analysis.salience.returns import Direction
from r2po.analysis.salience.revisions import Revision
from r2po.analysis.statistics.odds import OddsRatio, odds_ratio
from r2po.analysis.statistics.shares import share_interval
from r2po.rounding import levelled

DIRECTIONS: tuple[Direction, ...] = ("regression", "improvement", "no_change")

LEVELS = 5
"""Fifths of the level take away nine tenths of what it brings about (Cochran 1968)."""

Sign = Callable[[Revision], "bool | None"]
"""Whether an iteration has a sign; None if that is not on record."""


@dataclass(frozen=True)
class Share:
    """How many of some iterations have a sign.

    Attributes:
        by_run: Of each run, iterations with the sign, and those of which it is known.
        unknown: Iterations of which it is not known; they count for nothing.
    """

    by_run: tuple[tuple[int, int], ...]
    unknown: int

    @property
    def count(self) -> int:
        """Iterations with the sign."""
        return sum(count for count, _ in self.by_run)

    @property
    def known(self) -> int:
        """Iterations of which it is known whether they have it."""
        return sum(known for _, known in self.by_run)

    @property
    def value(self) -> float | None:
        """Share of those that have it."""
        return self.count / self.known if self.known else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the share; iterations of a run may be alike."""
        return share_interval(self.by_run)


@dataclass(frozen=True)
class Comparison:
    """A sign in each direction, and its odds among regressions over its odds among others.

    Attributes:
        shares: By direction.
        to_improvements: Odds ratio to improvements; None if one of the two does not occur.
        to_others: Odds ratio to improvements and iterations without change together.
    """

    shares: Mapping[Direction, Share]
    to_improvements: OddsRatio | None
    to_others: OddsRatio | None

    @property
    def is_empty(self) -> bool:
        """Whether of no iteration it is known that it has the sign or not."""
        return not any(each.known for each in self.shares.values())


def by_run(revisions: Sequence[Revision]) -> list[list[Revision]]:
    """Return the iterations of each run."""
    runs: dict[tuple[str, str, str], list[Revision]] = {}
    for each in revisions:
        runs.setdefault((each.environment, each.method, each.run), []).append(each)
    return list(runs.values())


def share(revisions: Sequence[Revision], sign: Sign) -> Share:
    """Return how many iterations have a sign."""
    runs = [[known for each in run if (known := sign(each)) is not None] for run in by_run(revisions)]
    pairs = tuple((sum(run), len(run)) for run in runs)
    return Share(pairs, len(revisions) - sum(known for _, known in pairs))


def compare(
    revisions: Sequence[Revision],
    sign: Sign,
    direction: Callable[[Revision], Direction | None],
    strata: Sequence[int] | None = None,
) -> Comparison:
    """Compare a sign between directions; odds only within each of (n,) strata of the n iterations.

    Iterations without a direction are in none of the shares.
    """
    shares = {way: share([each for each in revisions if direction(each) == way], sign) for way in DIRECTIONS}
    counts = _counts(revisions, sign, direction, strata or [0] * len(revisions))
    others = counts[..., 1, :] + counts[..., 2, :]
    ratios = (odds_ratio(np.concatenate([counts[..., 0, :], each], axis=-1)) for each in (counts[..., 1, :], others))
    return Comparison(shares, *ratios)


def _counts(
    revisions: Sequence[Revision],
    sign: Sign,
    direction: Callable[[Revision], Direction | None],
    strata: Sequence[int],
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return (runs, strata, directions, 2) iterations with the sign, and those of which it is known."""
    runs = {id(each): number for number, run in enumerate(by_run(revisions)) for each in run}
    counts = np.zeros((len({*runs.values()}), max(strata, default=0) + 1, len(DIRECTIONS), 2), np.int64)
    for each, stratum in zip(revisions, strata, strict=True):
        way, found = direction(each), sign(each)
        if way is not None and found is not None:
            counts[runs[id(each)], stratum, DIRECTIONS.index(way)] += (found, 1)
    return counts


def strata_of_level(revisions: Sequence[Revision]) -> list[int]:
    """Return (n,) strata of iterations: fifths of the level of the sign's half, in each environment by itself."""
    strata = np.zeros(len(revisions), np.int64)
    environments = list(dict.fromkeys(each.environment for each in revisions))
    for number, environment in enumerate(environments):
        here = [i for i, each in enumerate(revisions) if each.environment == environment and each.halves is not None]
        (levels,) = levelled([halves.level for i in here if (halves := revisions[i].halves) is not None])
        if levels.size:
            cuts = np.quantile(levels, np.arange(1, LEVELS) / LEVELS, method="lower")
            strata[here] = number * LEVELS + np.searchsorted(cuts, levels, side="left")
    found: list[int] = strata.tolist()
    return found
