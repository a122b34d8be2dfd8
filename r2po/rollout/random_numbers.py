"""numpy's random numbers, compiled: what ``numpy.random.default_rng(seed)`` draws, and so a seeded environment.

A stream is a (6,) uint64 array: the 128 bits of PCG64's state and of its increment, high half first, then whether the
upper half of a number is left over for the next 32-bit draw, and that half. Seeding follows numpy's SeedSequence.
(O'Neill, PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number Generation, 2014;
Lemire, Fast Random Integer Generation in an Interval, 2019.)
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2po.rollout.compilation import inlined

Stream = NDArray[np.uint64]
STREAM_SIZE = 6

# Plain ints would turn uint64 arithmetic into floating point.
_ZERO, _ONE, _WORD = np.uint64(0), np.uint64(1), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_INIT_A, _MULT_A = np.uint64(0x43B0D7E5), np.uint64(0x931E8875)
_INIT_B, _MULT_B = np.uint64(0x8B51F9DD), np.uint64(0x58F38DED)
_MIX_LEFT, _MIX_RIGHT = np.uint64(0xCA01F9DD), np.uint64(0x4973F715)
_HALF_WORD = np.uint64(16)
_MULTIPLIER_HIGH, _MULTIPLIER_LOW = np.uint64(2549297995355413924), np.uint64(4865540595714422341)
_ROTATION, _ROTATION_MASK, _UNUSED_BITS = np.uint64(58), np.uint64(63), np.uint64(11)
_UNIT = 1.0 / 9007199254740992.0
_EIGHT, _BOX, _MANTISSA = np.uint64(8), np.uint64(0xFF), np.uint64(0x000FFFFFFFFFFFFF)

# numpy's tables of the ziggurat's 256 boxes, which numba carries too: widths, their integer bounds, and heights.
_tables: Any = importlib.import_module("numba.np.random.distributions")
_WIDTHS, _BOUNDS, _HEIGHTS = _tables.wi_double, _tables.ki_double, _tables.fi_double
_TAIL, _INVERSE_TAIL = _tables.ziggurat_nor_r, _tables.ziggurat_nor_inv_r


@inlined
def seed_stream(stream: Stream, seed: np.uint64) -> None:
    """Set the stream to its beginning for a seed below 2**64."""
    pool = np.empty(4, np.uint64)
    constant = _INIT_A
    for index in range(4):
        word = seed & _LOW if index == 0 else seed >> _WORD if index == 1 else _ZERO
        constant, pool[index] = _hash(word, constant, _MULT_A)
    for source in range(4):
        for target in range(4):
            if source != target:
                constant, mixed = _hash(pool[source], constant, _MULT_A)
                value = (_MIX_LEFT * pool[target] - _MIX_RIGHT * mixed) & _LOW
                pool[target] = value ^ (value >> _HALF_WORD)
    words = np.empty(8, np.uint64)
    constant = _INIT_B
    for index in range(8):
        constant, words[index] = _hash(pool[index % 4], constant, _MULT_B)
    state_high, state_low = words[0] | words[1] << _WORD, words[2] | words[3] << _WORD
    sequence_high, sequence_low = words[4] | words[5] << _WORD, words[6] | words[7] << _WORD
    stream[2] = sequence_high << _ONE | sequence_low >> _ROTATION_MASK
    stream[3] = sequence_low << _ONE | _ONE
    # The first step from 0 gives the increment.
    stream[0], stream[1] = _add(stream[2], stream[3], state_high, state_low)
    _advance(stream)
    stream[4] = stream[5] = _ZERO


@inlined
def draw_unit(stream: Stream) -> float:
    """Return ``rng.random()``: uniform in [0, 1)."""
    return (draw_bits(stream) >> _UNUSED_BITS) * _UNIT


@inlined
def draw_uniform(stream: Stream, low: float, high: float) -> float:
    """Return ``rng.uniform(low, high)``."""
    return low + (high - low) * draw_unit(stream)


@inlined
def draw_integer(stream: Stream, low: int, high: int) -> int:
    """Return ``rng.integers(low, high)``: uniform in low, ..., high - 1, fewer than 2**32 numbers."""
    if high - low == 1:
        return low
    count = np.uint64(high - low)
    product = _draw_32(stream) * count
    if product & _LOW < count:
        threshold = (_LOW + _ONE - count) % count
        while product & _LOW < threshold:
            product = _draw_32(stream) * count
    return low + int(product >> _WORD)


@inlined
def draw_normal(stream: Stream) -> float:
    """Return ``rng.standard_normal()``, by the ziggurat method (Marsaglia and Tsang, 2000)."""
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
            return _draw_tail(stream, magnitude)
        height = (_HEIGHTS[box - 1] - _HEIGHTS[box]) * draw_unit(stream) + _HEIGHTS[box]
        if height < math.exp(-0.5 * value * value):
            return value


@inlined
def _draw_tail(stream: Stream, magnitude: np.uint64) -> float:
    while True:
        beyond = -_INVERSE_TAIL * math.log1p(-draw_unit(stream))
        height = -math.log1p(-draw_unit(stream))
        if height + height > beyond * beyond:
            value: float = _TAIL + beyond
            return -value if (magnitude >> _EIGHT) & _ONE else value


@inlined
def _hash(value: np.uint64, constant: np.uint64, multiplier: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the next hash constant and the hashed 32-bit value."""
    following = (constant * multiplier) & _LOW
    hashed = ((value ^ constant) * following) & _LOW
    return following, hashed ^ (hashed >> _HALF_WORD)


@inlined
def _add(high: np.uint64, low: np.uint64, other_high: np.uint64, other_low: np.uint64) -> tuple[np.uint64, np.uint64]:
    total = low + other_low
    carry = _ONE if total < low else _ZERO
    return high + other_high + carry, total


@inlined
def _advance(stream: Stream) -> None:
    """Multiply the 128-bit state and add the increment."""
    high, low = stream[0], stream[1]
    product_high, product_low = _multiply(low, _MULTIPLIER_LOW)
    product_high += high * _MULTIPLIER_LOW + low * _MULTIPLIER_HIGH
    stream[0], stream[1] = _add(product_high, product_low, stream[2], stream[3])


@inlined
def _multiply(one: np.uint64, other: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the high and the low half of a 128-bit product."""
    one_high, one_low, other_high, other_low = one >> _WORD, one & _LOW, other >> _WORD, other & _LOW
    lowest = one_low * other_low
    middle = one_high * other_low + (lowest >> _WORD)
    other_middle = one_low * other_high + (middle & _LOW)
    return one_high * other_high + (middle >> _WORD) + (other_middle >> _WORD), one * other


@inlined
def draw_bits(stream: Stream) -> np.uint64:
    """Return the next 64 bits: the xor of both halves, rotated right by the top six bits."""
    _advance(stream)
    mixed, rotation = stream[0] ^ stream[1], stream[0] >> _ROTATION
    bits: np.uint64 = mixed >> rotation | mixed << ((_ZERO - rotation) & _ROTATION_MASK)
    return bits


@inlined
def _draw_32(stream: Stream) -> np.uint64:
    """Return the next 32 bits: the lower half of a number, then its upper half."""
    if stream[4] == _ONE:
        stream[4] = _ZERO
        left: np.uint64 = stream[5]
        return left
    number = draw_bits(stream)
    stream[4], stream[5] = _ONE, number >> _WORD
    return number & _LOW
