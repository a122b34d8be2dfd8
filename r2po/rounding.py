"""Comparing means: what the same returns give in another order, or in another number, counts as equal.

A sum of floats depends in its last bits on order and number of its terms. A comparison of means with ``<`` or ``==``
therefore finds winners among equals. Whatever compares means, or prints how much they vary, comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
T = TypeVar("T")

RELATIVE = 1e-12
"""Numbers are equal that differ by less of the larger one: a mean of thousands of terms is not off by more."""

LAST_BITS = 8 * float(np.finfo(np.float64).eps)
"""So are those that differ by less of the largest of their terms: where terms cancel, its last bits are left."""


def levelled(*groups: ArrayLike, scale: float = 0.0) -> list[Floats]:
    """Return groups of (n,), (m,), ... numbers in which those that differ by rounding alone are one number.

    The result can be compared and subtracted exactly. Numbers of all groups are compared with each other; ``scale`` is
    the largest absolute value among what they are means of, where that is known. What is not finite
    stays what it is.
    """
    arrays = [np.asarray(group, dtype=np.float64) for group in groups]
    pooled = np.concatenate(arrays) if arrays else np.empty(0)
    known = np.flatnonzero(np.isfinite(pooled))
    if known.size:
        order = known[np.argsort(pooled[known], kind="stable")]
        pooled[order] = _level(pooled[order], scale)
    ends = np.cumsum([array.size for array in arrays])
    return np.split(pooled, ends[:-1])


def _level(ordered: Floats, scale: float) -> Floats:
    """Return (n,) increasing numbers, each replaced by the first of those that it is equal to."""
    sizes = np.abs(ordered)
    with np.errstate(over="ignore"):
        limits = np.maximum(RELATIVE * np.maximum(sizes[1:], sizes[:-1]), LAST_BITS * scale)
        starts = np.concatenate([[True], np.diff(ordered) > limits])
    level: Floats = ordered[starts][np.cumsum(starts) - 1]
    return level


def exceeds(value: ArrayLike, limit: ArrayLike, scale: float = 0.0) -> NDArray[np.bool_]:
    """Whether a value is larger than a limit by more than rounding; ``scale`` as in ``levelled``."""
    values, limits = np.asarray(value, dtype=np.float64), np.asarray(limit, dtype=np.float64)
    slack = np.maximum(RELATIVE * np.maximum(np.abs(values), np.abs(limits)), LAST_BITS * scale)
    return np.asarray(values - limits > slack)


def is_constant(values: ArrayLike) -> bool:
    """Whether values differ by rounding alone: runs that all did the same."""
    (level,) = levelled(values)
    return bool((level == level[:1]).all())


def mean(values: ArrayLike) -> float:
    """Return the mean of at least one value: of equal ones that value, however many they are; 0 where they cancel."""
    array = np.asarray(values, dtype=np.float64)
    if (array == array[0]).all():
        return float(array[0])
    middle = float(array.mean())
    return 0.0 if abs(middle) <= LAST_BITS * float(np.abs(array).max()) < np.inf else middle


def sample_std(values: ArrayLike) -> float:
    """Return the sample standard deviation (ddof 1); 0 for a single value, and for values that are equal."""
    array = np.asarray(values, dtype=np.float64)
    return 0.0 if len(array) < 2 or is_constant(array) else float(np.std(array, ddof=1))


def spread(std: float, scale: float) -> float:
    """Return a standard deviation that was taken without regard to rounding; 0 if it is that alone.

    ``scale`` is the mean of the values, or the largest of them, where that is known.
    """
    return std if exceeds(std, 0.0, abs(scale)) else 0.0


def first_largest(items: Sequence[T], key: Callable[[T], float]) -> T:
    """Return the item with the largest number, the first of equals; there must be one."""
    (level,) = levelled([key(item) for item in items])
    return items[int(level.argmax())]
