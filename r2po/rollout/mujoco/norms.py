"""How the norm of a vector is rounded on this machine: Gymnasium leaves it to NumPy, and NumPy to its BLAS.

The BLAS chooses its code by the processor. On many, a product is rounded before it is added to the others; on those
that add a product in one instruction, the sum alone is.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import numpy as np

_VECTORS = 256


@cache
def are_fused() -> bool | None:
    """Return whether the squares in norms of two and three numbers are added without being rounded; None if unclear."""
    fits = {fused: all(_is_so(fused, size) for size in (2, 3)) for fused in (False, True)}
    return next((fused for fused, fit in fits.items() if fit), None)


def _is_so(fused: bool, size: int) -> bool:
    vectors = np.random.default_rng(size).normal(size=(_VECTORS, size))
    return all(
        float(np.linalg.norm(vector)) == math.sqrt(_sum_of_squares(vector.tolist(), fused=fused)) for vector in vectors
    )


def _sum_of_squares(numbers: list[float], *, fused: bool) -> float:
    total = 0.0
    for number in numbers:
        total = float(Fraction(number) ** 2 + Fraction(total)) if fused else number * number + total
    return total
