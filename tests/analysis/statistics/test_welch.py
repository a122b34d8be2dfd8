from __future__ import annotations

import warnings
from math import atan, inf, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from r2po.analysis.statistics.welch import welch, welch_interval

finite = st.floats(-1e6, 1e6, allow_nan=False)
groups = st.lists(finite.map(lambda value: round(value, 3)), min_size=2, max_size=12)


def test_known_answer() -> None:
    # Means 2 and 5, variances 1 and 4, n 3 and 3: t = -3 / sqrt(5/3), df = (5/3)^2 / (1/18 + 16/18).
    result = welch([1.0, 2.0, 3.0], [3.0, 5.0, 7.0])
    assert result.t == pytest.approx(-3 / (5 / 3) ** 0.5, rel=1e-14)
    assert result.degrees == pytest.approx((25 / 9) / (17 / 18), rel=1e-14)
    assert (result.too_few, result.degenerate) == (False, False)


@settings(deadline=None)
@given(first=groups, second=groups)
def test_agrees_with_scipy(first: list[float], second: list[float]) -> None:
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return
    with warnings.catch_warnings():
        # It warns of groups without variance, which are part of what is compared.
        warnings.simplefilter("ignore")
        expected = stats.ttest_ind(first, second, equal_var=False)
    result = welch(first, second)
    assert result.t == pytest.approx(expected.statistic, rel=1e-7, abs=1e-7)
    assert result.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-9)
    assert result.degrees == pytest.approx(expected.df, rel=1e-6)


def test_p_of_the_cauchy_distribution() -> None:
    # With one degree of freedom p = 1 - 2 atan(t) / pi; variances (1, 0) and n = 2 leave one.
    result = welch([0.0, 2.0], [0.0, 0.0])
    assert result.degrees == pytest.approx(1.0, rel=1e-14)
    assert result.p == pytest.approx(1 - 2 * atan(result.t) / pi, rel=1e-13)


@settings(deadline=None)
@given(first=groups, second=groups)
def test_interval_agrees_with_scipy(first: list[float], second: list[float]) -> None:
    gap = welch_interval(first, second)
    assert gap.value == pytest.approx(np.mean(first) - np.mean(second), rel=1e-12, abs=1e-9)
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        assert gap.low == gap.value == gap.high
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    assert (gap.low, gap.high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("first", "second"), [([], [1.0, 2.0]), ([1.0], [1.0, 2.0]), ([1.0, 2.0], [7.0]), ([], [])])
def test_fewer_than_two_runs_test_nothing(first: list[float], second: list[float]) -> None:
    result = welch(first, second)
    assert (result.t, result.p, result.too_few, result.degenerate) == (0.0, 1.0, True, False)


def test_no_variance_and_equal_means() -> None:
    result = welch([-200.0] * 3, [-200.0] * 4)
    assert (result.t, result.p, result.too_few, result.degenerate) == (0.0, 1.0, False, False)


@pytest.mark.parametrize(("first", "second", "t"), [(2.0, 1.0, inf), (1.0, 2.0, -inf)])
def test_no_variance_and_unequal_means_is_degenerate(first: float, second: float, t: float) -> None:
    result = welch([first] * 3, [second] * 3)
    assert (result.t, result.p, result.degenerate) == (t, 0.0, True)


def test_rounding_is_no_variance() -> None:
    means = [0.1 + 0.2, 0.3, 0.3]
    assert welch(means, means[::-1]).t == 0.0
    assert welch(means, [0.4] * 3).degenerate


def test_one_constant_group_is_an_ordinary_test() -> None:
    result = welch([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    assert result.degrees == pytest.approx(2.0)
    assert 0 < result.p < 1


@settings(deadline=None)
@given(first=groups, second=groups)
def test_swapping_the_groups_turns_the_sign(first: list[float], second: list[float]) -> None:
    one, other = welch(first, second), welch(second, first)
    assert one.t == -other.t
    assert one.p == other.p


@settings(deadline=None)
@given(first=groups, second=groups, exponent=st.integers(-300, 200))
def test_scale_does_not_matter(first: list[float], second: list[float], exponent: int) -> None:
    scale = 2.0**exponent
    one, scaled = welch(first, second), welch(np.multiply(first, scale), np.multiply(second, scale))
    assert scaled.t == pytest.approx(one.t, rel=1e-9)


@pytest.mark.parametrize("bad", [np.nan, inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="must be finite; 1 of 3 are not"):
        welch([1.0, bad, 2.0], [1.0, 2.0])
