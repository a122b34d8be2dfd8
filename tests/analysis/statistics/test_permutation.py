from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.analysis.statistics.permutation import permutation_test

# Whole numbers: sums are exact, so that other implementations see the same ties.
groups = st.lists(st.integers(-4, 4).map(float), min_size=2, max_size=5)


def gap(x: Any, y: Any, axis: int = -1) -> Any:
    """Return n m times the difference of the means."""
    return np.abs(np.sum(x, axis=axis) * y.shape[axis] - np.sum(y, axis=axis) * x.shape[axis])


def test_complete_separation_of_three_against_three() -> None:
    # 20 splits; only the observed one and its mirror image are as extreme.
    result = permutation_test([1.0, 2.0, 3.0], [11.0, 12.0, 13.0])
    assert result.p == pytest.approx(2 / 20)
    assert (result.splits, result.exact) == (20, True)


def test_equal_groups() -> None:
    assert permutation_test([1.0, 1.0], [1.0, 1.0]).p == 1.0


@settings(deadline=None, max_examples=60)
@given(first=groups, second=groups)
def test_agrees_with_scipy(first: list[float], second: list[float]) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    if np.ptp([*first, *second]) == 0:
        return
    expected = stats.permutation_test((first, second), gap, vectorized=True, n_resamples=np.inf, alternative="greater")
    assert permutation_test(first, second).p == pytest.approx(expected.pvalue, abs=1e-12)


def test_equal_values_whose_mean_rounds() -> None:
    assert permutation_test([0.1] * 4, [0.1] * 2).p == 1.0


@settings(deadline=None, max_examples=30)
@given(first=groups, second=groups)
def test_rounding_breaks_no_ties(first: list[float], second: list[float]) -> None:
    tenths = permutation_test(np.divide(first, 10), np.divide(second, 10))
    assert tenths.p == pytest.approx(permutation_test(first, second).p)


@settings(deadline=None, max_examples=30)
@given(first=groups, second=groups)
def test_counts_all_splits(first: list[float], second: list[float]) -> None:
    n, m = len(first), len(second)
    values, observed, total = [*first, *second], sum(first), sum(first) + sum(second)
    gaps = [abs((n + m) * sum(each) - n * total) for each in combinations(values, n)]
    expected = np.mean([each >= abs((n + m) * observed - n * total) for each in gaps])
    result = permutation_test(first, second)
    assert result.splits == len(gaps)
    assert result.p == pytest.approx(expected)


def test_ten_against_ten_is_exact() -> None:
    result = permutation_test(np.arange(10.0), np.arange(10.0) + 0.5)
    assert (result.splits, result.exact) == (184_756, True)


def test_many_values_are_split_at_random_from_the_seed() -> None:
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=30), generator.normal(0.6, size=25)
    one = permutation_test(x, y, seed=1)
    assert one == permutation_test(x, y, seed=1)
    assert one != permutation_test(x, y, seed=2)
    assert (one.splits, one.exact) == (100_000, False)
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    # At these sizes the test is close to the t-test; the two estimates differ by a few standard errors of 1e5 draws.
    assert one.p == pytest.approx(stats.ttest_ind(x, y).pvalue, abs=0.005)


def test_random_splits_never_give_zero() -> None:
    assert permutation_test(np.zeros(20), np.ones(20), draws=999).p == 1 / 1000


def test_global_random_state_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002 - looked at, not used
    permutation_test(np.zeros(20), np.ones(20), draws=99)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


def test_fewer_than_two_runs_test_nothing() -> None:
    assert permutation_test([1.0], [2.0, 3.0]).p == 1.0
    assert permutation_test([], [2.0, 3.0]).splits == 0


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="second group must be finite"):
        permutation_test([1.0, 2.0], [np.nan, 1.0])
