"""Compiled random numbers against numpy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("numba")
from r2po.rollout.compilation import compiled
from r2po.rollout.random_numbers import STREAM_SIZE, draw_integer, draw_uniform, draw_unit, seed_stream

UNIT, UNIFORM, INTEGER = range(3)


@compiled
def draw_all(seed: Any, kinds: Any, counts: Any, numbers: Any) -> None:
    stream = np.empty(STREAM_SIZE, np.uint64)
    seed_stream(stream, seed)
    for index in range(len(kinds)):
        if kinds[index] == UNIT:
            numbers[index] = draw_unit(stream)
        elif kinds[index] == UNIFORM:
            numbers[index] = draw_uniform(stream, -0.05, 0.05)
        else:
            numbers[index] = draw_integer(stream, 1, 1 + counts[index])


@given(
    seed=st.integers(0, 2**64 - 1),
    kinds=st.lists(st.sampled_from([UNIT, UNIFORM, INTEGER]), min_size=1, max_size=30),
    data=st.data(),
)
@example(seed=0, kinds=[UNIT], data=None)
@example(seed=2**32 - 1, kinds=[UNIT], data=None)
@example(seed=2**32, kinds=[UNIT], data=None)
@example(seed=2**64 - 1, kinds=[UNIT], data=None)
def test_any_seed_and_any_order_of_draws(seed: int, kinds: list[int], data: Any) -> None:
    few, many = st.integers(1, 5), st.integers(1, 2**32 - 1)
    counts = [data.draw(few | many) if kind == INTEGER else 1 for kind in kinds]
    numbers = np.empty(len(kinds))
    draw_all(np.uint64(seed), np.array(kinds), np.array(counts), numbers)
    rng, _ = gymnasium.utils.seeding.np_random(seed)
    draws: dict[int, Callable[[int], Any]] = {
        UNIT: lambda _: rng.random(),
        UNIFORM: lambda _: rng.uniform(-0.05, 0.05),
        INTEGER: lambda count: rng.integers(1, 1 + count),
    }
    expected = [draws[kind](count) for kind, count in zip(kinds, counts, strict=True)]
    assert numbers.tolist() == expected
