"""Draws from the normal distribution, compiled: numpy's ``Generator.standard_normal``, bit for bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.np.random import distributions

from r2po.rollout.compilation import inlined
from r2po.rollout.random_numbers import Stream, draw_bits, draw_unit

# numpy's tables of the ziggurat's 256 boxes, which numba carries too: widths, their integer bounds, and heights.
_numba: Any = distributions
_WIDTHS, _BOUNDS, _HEIGHTS = _numba.wi_double, _numba.ki_double, _numba.fi_double
_TAIL, _INVERSE_TAIL = _numba.ziggurat_nor_r, _numba.ziggurat_nor_inv_r

# Python's integers are signed to numba, and signed with unsigned integers make floating point.
_ONE, _EIGHT = np.uint64(1), np.uint64(8)
_BOX, _MANTISSA = np.uint64(0xFF), np.uint64(0x000FFFFFFFFFFFFF)


@inlined
def standard_normal(stream: Stream) -> float:
    """Draw by the ziggurat method (Marsaglia and Tsang, 2000)."""
    while True:
        word = draw_bits(stream)
        box = int(word & _BOX)
        word >>= _EIGHT
        magnitude = (word >> _ONE) & _MANTISSA
        value: float = float(magnitude) * _WIDTHS[box]
        if word & _ONE:
            value = -value
        if magnitude < _BOUNDS[box]:
            return value
        if box == 0:
            return _tail(stream, magnitude)
        height = (_HEIGHTS[box - 1] - _HEIGHTS[box]) * draw_unit(stream) + _HEIGHTS[box]
        if height < math.exp(-0.5 * value * value):
            return value


@inlined
def _tail(stream: Stream, magnitude: np.uint64) -> float:
    while True:
        beyond = -_INVERSE_TAIL * math.log1p(-draw_unit(stream))
        height = -math.log1p(-draw_unit(stream))
        if height + height > beyond * beyond:
            value: float = _TAIL + beyond
            return -value if (magnitude >> _EIGHT) & _ONE else value
