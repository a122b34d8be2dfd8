"""Holm's step-down correction for several tests of one family."""

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
    p = np.asarray(p_values, dtype=np.float64).reshape(-1)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values must lie in [0, 1]")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return adjusted
