"""Averaging runs whose episode counts differ."""

from __future__ import annotations

import math
import statistics

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from r2po.analysis.statistics.align import Series, carry, mean_curve


def series(at: list[int], values: list[float], *, carried: bool = True) -> Series:
    return Series(np.array(at), np.array(values), carried)


def test_shifted_runs_are_carried_to_a_common_grid() -> None:
    curve = mean_curve([series([10, 20, 30], [1.0, 2.0, 3.0]), series([12, 22, 32], [5.0, 6.0, 7.0])])
    np.testing.assert_array_equal(curve.grid, [12, 20, 22, 30, 32])
    np.testing.assert_array_equal(curve.mean, [3.0, 3.5, 4.0, 4.5, 5.0])
    np.testing.assert_allclose(curve.std, [8**0.5, 4.5**0.5, 8**0.5, 4.5**0.5, 8**0.5])
    np.testing.assert_array_equal(curve.count, [2] * 5)


def test_equal_rising_runs_with_a_shift_draw_no_zigzag() -> None:
    rising = [float(value) for value in range(50)]
    runs = [series([shift + 40 * step for step in range(50)], rising) for shift in (20, 23, 31)]
    assert (np.diff(mean_curve(runs).mean) >= 0).all()


def test_unfinished_run_counts_up_to_its_end() -> None:
    curve = mean_curve([series([10, 20, 30], [1.0, 2.0, 3.0]), series([10, 20], [3.0, 4.0], carried=False)])
    np.testing.assert_array_equal(curve.mean, [2.0, 3.0, 3.0])
    np.testing.assert_array_equal(curve.count, [2, 2, 1])
    assert math.isnan(curve.std[2])


def test_unfinished_run_that_ends_before_another_begins() -> None:
    curve = mean_curve([series([10], [1.0], carried=False), series([20, 30], [5.0, 6.0])])
    np.testing.assert_array_equal(curve.grid, [20, 30])
    np.testing.assert_array_equal(curve.mean, [5.0, 6.0])


positions = st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True).map(sorted)
drawn = positions.flatmap(
    lambda at: st.tuples(st.just(at), st.lists(st.floats(-100, 100), min_size=len(at), max_size=len(at)), st.booleans())
)


@given(st.lists(drawn, min_size=1, max_size=5))
def test_agrees_with_a_loop(runs: list[tuple[list[int], list[float], bool]]) -> None:
    curve = mean_curve([series(at, values, carried=carried) for at, values, carried in runs])
    start = max(at[0] for at, _, _ in runs)
    assert curve.grid.tolist() == sorted({x for at, _, _ in runs for x in at if x >= start})
    for index, x in enumerate(curve.grid):
        known = [
            [value for position, value in zip(at, values, strict=True) if position <= x][-1]
            for at, values, carried in runs
            if carried or x <= at[-1]
        ]
        assert curve.count[index] == len(known)
        assert math.isclose(curve.mean[index], statistics.fmean(known), abs_tol=1e-9)
        if len(known) > 1:
            assert math.isclose(curve.std[index], statistics.stdev(known), abs_tol=1e-9)


def test_before_its_first_value_a_run_has_none() -> None:
    np.testing.assert_array_equal(carry(series([5], [2.0]), np.array([4.0, 5.0, 9.0])), [np.nan, 2.0, 2.0])


def test_runs_that_did_the_same_have_a_flat_mean_without_a_band() -> None:
    other = float(np.nextafter(-2 / 9, 0))
    curve = mean_curve(
        [series([1, 2, 3], [-2 / 9, other, -2 / 9]), series([1, 2], [other, -2 / 9]), series([1], [other])]
    )
    assert (np.ptp(curve.mean), curve.std.tolist()) == (0.0, [0.0, 0.0, 0.0])
