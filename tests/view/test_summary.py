"""Curves of rows are short, and keep their ends."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from r2po.view.summary import POINTS, curve


@given(st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), max_size=400))
def test_a_curve_is_short_and_keeps_its_ends(best: list[float]) -> None:
    found = curve(best)
    assert len(found) == min(len(best), POINTS)
    told = [None if math.isnan(value) else float(f"{value:.6g}") for value in best]
    assert found[:1] == told[:1]
    assert found[-1:] == told[-1:]
    if len(best) <= POINTS:
        assert found == told


def test_a_curve_of_what_rises_rises() -> None:
    found = curve([float(value) for value in range(1000)])
    assert found == sorted(found)
    assert (found[0], found[-1], len(set(found))) == (0.0, 999.0, POINTS)
