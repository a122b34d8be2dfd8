from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.rounding import exceeds, first_largest, is_constant, levelled, mean, sample_std, spread

returns = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


@given(values=returns, times=st.integers(1, 60), order=st.randoms())
def test_the_same_returns_in_any_order_and_number_have_equal_means(
    values: list[float], times: int, order: random.Random
) -> None:
    again = values * times
    order.shuffle(again)
    first, second = levelled([mean(values)], [mean(again)], scale=max(map(abs, values)))
    assert first == second


@given(value=st.floats(-1e300, 1e300), times=st.integers(1, 200))
def test_equal_values_have_that_mean_and_no_spread(value: float, times: int) -> None:
    assert mean([value] * times) == value
    assert sample_std([value] * times) == 0.0


def test_what_differs_stays_different() -> None:
    (level,) = levelled([1.0, 1.0 + 1e-9, -1e15, 0.0, 1e-30])
    assert level.tolist() == [1.0, 1.0 + 1e-9, -1e15, 0.0, 1e-30]
    assert exceeds(1.0 + 1e-9, 1.0)
    assert sample_std([1.0, 1.0 + 1e-9]) == pytest.approx(1e-9 / np.sqrt(2), rel=1e-5)


def test_terms_that_cancel_leave_nothing() -> None:
    assert np.mean([0.1, 0.2, -0.3]) != 0
    assert mean([0.1, 0.2, -0.3]) == 0.0
    assert mean([1e-20, 3e-20]) == pytest.approx(2e-20)


def test_what_is_not_finite_stays_as_it_is() -> None:
    (level,) = levelled([np.nan, np.inf, 1.0, float(np.nextafter(1.0, 2)), -np.inf])
    assert level.tolist()[1:] == [np.inf, 1.0, 1.0, -np.inf]
    assert np.isnan(level[0])


def test_of_equals_the_first_is_the_largest() -> None:
    named = {"a": 0.1, "b": 0.3, "c": 0.1 + 0.2}
    assert first_largest(list(named), lambda name: named[name]) == "b"
    assert not exceeds(0.1 + 0.2, 0.3)
    assert is_constant([0.1 + 0.2, 0.3])


def test_a_deviation_that_is_rounding_alone_is_none() -> None:
    returns = np.full(5, -2 / 9)
    std = float(returns.std(ddof=1))
    assert std > 0
    assert spread(std, -2 / 9) == 0
    assert spread(0.25, -2 / 9) == 0.25
