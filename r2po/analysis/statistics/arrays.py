"""What all statistics require of their values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def finite(values: ArrayLike, what: str = "values") -> Floats:
    """Return the values as a (n,) array.

    Raises:
        ValueError: They are not one-dimensional, or not all finite. What a missing number means is for the caller to
            say; left in, it would turn any result into nan, or into something worse that looks like a number.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{what} must be one-dimensional, not of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite; {int((~np.isfinite(array)).sum())} of {array.size} are not")
    return array


def strata(scores: Sequence[ArrayLike]) -> list[Floats]:
    """Return the scores of each environment as arrays.

    Raises:
        ValueError: There is no environment, or one has no run or a score that is not finite.
    """
    arrays = [finite(each, f"scores of environment {number}") for number, each in enumerate(scores)]
    if not arrays:
        raise ValueError("scores of at least one environment are needed")
    for number, each in enumerate(arrays):
        if not each.size:
            raise ValueError(f"environment {number} has no run")
    return arrays
