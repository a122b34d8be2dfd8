from __future__ import annotations

from itertools import product
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from r2po.analysis.statistics.bootstrap import ConfidenceInterval
from r2po.analysis.statistics.comparison import superiority
from r2po.analysis.statistics.paired import joint_superiority, paired_interval, paired_t, sign_flip_test

value = st.integers(-400, 400).map(lambda number: number / 8)
pairs = st.lists(st.tuples(value, value), min_size=2, max_size=8)


def split(of: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [a for a, _ in of], [b for _, b in of]


def test_known_answer() -> None:
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3).
    result = paired_t([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert [result.t, result.degrees] == pytest.approx([2 * 3**0.5, 2.0], rel=1e-14)


@settings(deadline=None)
@given(of=pairs)
def test_agrees_with_scipy(of: list[tuple[float, float]]) -> None:
    first, second = split(of)
    if np.ptp(np.subtract(first, second)) == 0:
        return
    expected = stats.ttest_rel(first, second)
    ends = expected.confidence_interval()
    result, gap = paired_t(first, second), paired_interval(first, second)
    assert [result.t, result.p] == pytest.approx([expected.statistic, expected.pvalue])
    assert [gap.low, gap.high] == pytest.approx([ends.low, ends.high])


@settings(deadline=None)
@given(of=pairs)
def test_sign_flips_count_all_choices(of: list[tuple[float, float]]) -> None:
    gaps = np.subtract(*split(of))  # eighths: their sums are exact
    sums = [abs(np.dot(signs, gaps)) for signs in product((1, -1), repeat=len(of))]
    result = sign_flip_test(*split(of))
    assert result.p == np.mean([each >= abs(gaps.sum()) for each in sums])
    assert (result.splits, result.exact, result.floor) == (2 ** len(of), True, 2 / 2 ** len(of))
    assert result.p >= result.floor


def test_sign_flips_agree_with_scipy() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(0.7, size=9), generator.normal(size=9)
    expected = stats.permutation_test(
        (x, y), lambda a, b: abs(np.mean(a - b)), permutation_type="samples", n_resamples=np.inf, alternative="greater"
    )
    assert sign_flip_test(x, y).p == pytest.approx(expected.pvalue)


def test_rounding_breaks_no_ties() -> None:
    # 0.1 + 0.2 is not 0.3; the sums of these differences are ties all the same.
    assert sign_flip_test([0.1, 0.2, 0.3], [0.0, 0.0, 0.0]).p == 2 / 8
    assert sign_flip_test([0.1, 0.2, -0.3], [0.0, 0.0, 0.0]).p == 1.0


def test_many_pairs_are_flipped_at_random_from_the_seed() -> None:
    generator = np.random.default_rng(3)
    x, y = generator.normal(0.4, size=30), generator.normal(size=30)
    one = sign_flip_test(x, y, seed=1)
    assert one == sign_flip_test(x, y, seed=1)
    assert one.p != sign_flip_test(x, y, seed=2).p
    assert (one.splits, one.exact, one.floor) == (100_000, False, 1e-5)
    assert one.p == pytest.approx(stats.ttest_rel(x, y).pvalue, abs=0.01)


def test_special_cases() -> None:
    few = paired_t([1.0], [2.0])
    assert (few.t, few.p, few.too_few) == (0.0, 1.0, True)
    assert sign_flip_test([1.0], [2.0]).p == 1.0
    equal = paired_t([0.1 + 0.2, 5.0], [0.3, 5.0])
    assert (equal.t, equal.p, equal.degenerate) == (0.0, 1.0, False)
    # The values vary, the differences do not.
    constant = paired_t([1.1, 2.1, 1e6 + 0.1], [1.0, 2.0, 1e6])
    assert (constant.t, constant.p, constant.degenerate) == (inf, 0.0, True)
    assert sign_flip_test([1.1, 2.1, 1e6 + 0.1], [1.0, 2.0, 1e6]).p == 2 / 8
    with pytest.raises(ValueError, match="groups of one size, not 2 and 3"):
        paired_t([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="must be finite"):
        sign_flip_test([1.0, np.nan], [1.0, 2.0])


def test_what_pairs_have_in_common_does_not_widen_the_joint_interval() -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=12)
    y = x - 0.3 + 0.05 * generator.normal(size=12)
    joint = joint_superiority(x, y, np.random.default_rng(0))
    alone = joint_superiority(x, generator.permutation(y), np.random.default_rng(0))
    assert joint.value == alone.value == superiority(x, y)
    assert joint.low <= joint.value <= joint.high
    assert joint.high - joint.low < 0.7 * (alone.high - alone.low)


@pytest.mark.parametrize("size", [5, 7, 10, 13])
def test_draws_that_are_all_alike_are_equal(size: int) -> None:
    """Rounding would make them look as if they varied: an interval without width would not be known as one."""
    joint = joint_superiority(np.arange(size) + 100.0, np.arange(size) * 1.0, np.random.default_rng(0), resamples=2000)
    assert joint == ConfidenceInterval(1.0, 1.0, 1.0)


def test_joint_bootstrap_keeps_runs_of_a_seed_together() -> None:
    # Two pairs: both once (chance 1/2), or one of them twice. By hand: 1 > 0 and 3 > 2, but 1 < 2.
    draws = joint_superiority([1.0, 3.0], [0.0, 2.0], np.random.default_rng(0), resamples=4000)
    assert (draws.value, draws.low, draws.high) == (0.75, 0.75, 1.0)
