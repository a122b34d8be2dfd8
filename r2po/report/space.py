"""All policies of a run as points of a plane: its two principal components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from r2po.report.packing import Values, is_finite
from r2po.runlog.records import LARGEST

_DECIMALS = 4


def policy_space(candidates: Sequence[Sequence[float]], warmup: Sequence[Sequence[float]]) -> Values | None:
    """Project policies, given the parameters of each.

    The components are those of the distinct candidates alone: random policies of the warm-up spread so far that all
    candidates would fall on one spot. Each component points to where its largest loading is positive.

    Returns:
        ``candidates`` and ``warmup``, a point each, and ``shares`` of the variance; None if there are no two distinct
        candidates, their numbers of parameters differ, or a parameter is beyond all reason.
    """
    sizes = {len(each) for each in (*candidates, *warmup)}
    if len(sizes) != 1 or sizes == {0}:
        return None
    if not all(is_finite(value) and abs(value) <= LARGEST for each in (*candidates, *warmup) for value in each):
        return None
    tried = np.array(candidates, dtype=np.float64).reshape(-1, sizes.pop())
    first = np.array(warmup, dtype=np.float64).reshape(-1, tried.shape[1])
    distinct = np.unique(tried, axis=0)
    if len(distinct) < 2:
        return None
    centre = distinct.mean(axis=0)
    _, sizes_of, loadings = np.linalg.svd(distinct - centre, full_matrices=False)
    axes = np.zeros((2, tried.shape[1]))
    shares = np.zeros(2)
    found = min(2, len(loadings))
    axes[:found] = [axis * _sign(axis) for axis in loadings[:found]]
    shares[:found] = (sizes_of**2 / np.sum(sizes_of**2))[:found]
    return {
        "candidates": _points((tried - centre) @ axes.T),
        "warmup": _points((first - centre) @ axes.T),
        "shares": np.round(shares, _DECIMALS).tolist(),
    }


def _sign(axis: NDArray[np.float64]) -> float:
    return 1.0 if axis[np.abs(axis).argmax()] > 0 else -1.0


def _points(values: NDArray[np.float64]) -> list[list[float]]:
    rounded: list[list[float]] = (np.round(values, _DECIMALS) + 0.0).tolist()
    return rounded
