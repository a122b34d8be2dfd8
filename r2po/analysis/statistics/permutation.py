"""Permutation test of the difference of means: no assumption about the shape of the distribution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from r2po.analysis.statistics.arrays import Floats, finite
from r2po.seeding import derive_seed

EXACT_LIMIT = 200_000
"""Up to so many splits all are tried: enough for 10 runs against 10."""

DRAWS = 99_999
CHUNK = 2_000


@dataclass(frozen=True)
class Permutation:
    """Outcome of a two-sided permutation test.

    Attributes:
        p: Share of splits whose means differ at least as much as those observed.
        splits: Number of splits looked at, the observed one included; 0 where there is no test.
        exact: Whether these are all splits there are.
        floor: The smallest p that any values of groups of these sizes could have; 1 where there is no test.
    """

    p: float
    splits: int
    exact: bool
    floor: float


def permutation_test(first: ArrayLike, second: ArrayLike, seed: int = 0, draws: int = DRAWS) -> Permutation:
    """Test whether two groups of values come from one distribution.

    All ways to split the values into groups of these sizes are tried if there are few; else ``draws`` random ones, and
    the observed split is counted as one more, so that p is never 0 (Phipson and Smyth 2010).

    The groups are (n,) and (m,) values, one per run; ``seed`` is that of the random splits.

    Raises:
        ValueError: A value is not finite.
    """
    x, y = finite(first, "the first group"), finite(second, "the second group")
    if min(x.size, y.size) < 2:
        return Permutation(p=1.0, splits=0, exact=True, floor=1.0)
    # Sums of one group decide; centred, they round least. The smaller group is the cheaper one to draw.
    small = min(x.size, y.size)
    raw = np.concatenate([x, y])
    values = raw - raw.mean()
    observed = abs(float(values[: x.size].sum()))
    # A split with the same values in another order must count as equal in spite of rounding.
    rounding = 1e-12 * float(np.abs(values).sum()) + 1e-14 * raw.size * float(np.abs(raw).max())
    threshold = observed - rounding
    splits = comb(values.size, small)
    if splits <= EXACT_LIMIT:
        sums = values[_all_splits(values.size, small)].sum(axis=1)
        # Of groups of one size, the split with both exchanged is as extreme.
        floor = (2 if x.size == y.size else 1) / splits
        return Permutation(float((np.abs(sums) >= threshold).mean()), splits, exact=True, floor=floor)
    extreme = 1 + _count_extreme(values, small, threshold, seed, draws)
    return Permutation(p=extreme / (draws + 1), splits=draws + 1, exact=False, floor=1 / (draws + 1))


@lru_cache(maxsize=8)
def _all_splits(total: int, size: int) -> NDArray[np.int64]:
    """Return (splits, size) the indices of the smaller group in each split."""
    flat = chain.from_iterable(combinations(range(total), size))
    splits = np.fromiter(flat, dtype=np.int64, count=comb(total, size) * size).reshape(-1, size)
    splits.flags.writeable = False
    return splits


def _count_extreme(values: Floats, size: int, threshold: float, seed: int, draws: int) -> int:
    generator = np.random.default_rng(derive_seed(seed, "permutation test"))
    count = 0
    for start in range(0, draws, CHUNK):
        rows = np.broadcast_to(values, (min(CHUNK, draws - start), values.size))
        sums = generator.permuted(rows, axis=1)[:, :size].sum(axis=1)
        count += int((np.abs(sums) >= threshold).sum())
    return count
