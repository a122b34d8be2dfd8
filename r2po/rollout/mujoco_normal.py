"""Draws from the normal distribution, compiled: numpy's ``Generator.standard_normal``, bit for bit."""

from __future__ import annotations

import math

import numpy as np
from numba.np.random.distributions import (
    fi_double,
    ki_double,
    wi_double,
    ziggurat_nor_inv_r,
    ziggurat_nor_r,
)

from r2po.rollout.compilation import inlined
from r2po.rollout.random_numbers import Stream, draw_bits, draw_unit

# Python's integers are signed to numba, and signed with unsigned integers make floating point.
_ONE, _EIGHT = np.uint64(1), np.uint64(8)
_BOX, _MANTISSA = np.uint64(0xFF), np.uint64(0x000FFFFFFFFFFFFF)


@inlined
def standard_normal(stream: Stream) -> float:
    """Draw by the ziggurat method (Marsaglia and Tsang, 2000) with numpy's tables, which numba carries too."""
    while True:
        word = draw_bits(stream)
        box = int(word & _BOX)
        word >>= _EIGHT
        magnitude = (word >> _ONE) & _MANTISSA
        value = float(magnitude) * wi_double[box]
        if word & _ONE:
            value = -value
        if magnitude < ki_double[box]:
            return value
        if box == 0:
            return _tail(stream, magnitude)
        height = (fi_double[box - 1] - fi_double[box]) * draw_unit(stream) + fi_double[box]
        if height < math.exp(-0.5 * value * value):
            return value


@inlined
def _tail(stream: Stream, magnitude: np.uint64) -> float:
    while True:
        beyond = -ziggurat_nor_inv_r * math.log1p(-draw_unit(stream))
        height = -math.log1p(-draw_unit(stream))
        if height + height > beyond * beyond:
            value = ziggurat_nor_r + beyond
            return -value if (magnitude >> _EIGHT) & _ONE else value
