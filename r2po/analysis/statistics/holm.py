"""Corrections for several tests of one family: Holm's step-down one, and Bonferroni's."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return adjusted p-values that control the family-wise error rate (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1, made at least as large as the one before, and cut at 1. They are
    (m,) of one family, in any order, and so is the result; m may be 0.

    Raises:
        ValueError: A value is outside [0, 1] or nan.
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return adjusted


def bonferroni(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return (m,) p-values of one family, each multiplied by m and cut at 1.

    Raises:
        ValueError: A value is outside [0, 1] or nan.
    """
    return np.minimum(_checked(p_values) * np.size(p_values), 1.0)


def _checked(p_values: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(p_values, dtype=np.float64).reshape(-1)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values must lie in [0, 1]")
    return p
