from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.analysis.statistics.comparison import probability_of_improvement, superiority
from tests.analysis.statistics.oracles import EXAMPLES, by_environment

values = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8).map(np.array)


def test_known_answer() -> None:
    # Pairs: (1, 1) tie, (1, 2) loss, (3, 1) win, (3, 2) win.
    assert superiority(np.array([1.0, 3.0]), np.array([1.0, 2.0])) == 2.5 / 4


@pytest.mark.parametrize("reward", [-2 / 9, 0.9666666666666667, 0.1])
def test_runs_that_did_the_same_are_equal_whatever_their_length(reward: float) -> None:
    first, second = ([np.mean([reward] * length)] * 3 for length in (50, 100))
    assert superiority(np.array(first), np.array(second)) == 0.5
    result = probability_of_improvement([first], [second], np.random.default_rng(0), resamples=50)
    assert (result.low, result.value, result.high) == (0.5, 0.5, 0.5)


@given(first=values, second=values)
def test_agrees_with_mann_whitney(first: Any, second: Any) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    u = stats.mannwhitneyu(first, second, method="asymptotic").statistic if np.ptp([*first, *second]) else None
    if u is not None:
        assert superiority(first, second) == pytest.approx(u / (first.size * second.size))


@given(first=values, second=values)
def test_both_directions_sum_to_one(first: Any, second: Any) -> None:
    assert superiority(first, second) + superiority(second, first) == pytest.approx(1.0)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_agrees_with_rliable(example: dict[str, Any]) -> None:
    x, y = by_environment(example["first"]), by_environment(example["second"])
    ours = probability_of_improvement(x, y, np.random.default_rng(0), resamples=200)
    assert ours.value == pytest.approx(example["probability_of_improvement"], rel=1e-12)
    assert ours.low < ours.value < ours.high


def test_weights_equal_plain_resampling() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(0.5, 1, 12), generator.normal(0, 1, 9)
    ours = probability_of_improvement([x], [y], np.random.default_rng(2), resamples=4_000)
    plain = [superiority(generator.choice(x, 12), generator.choice(y, 9)) for _ in range(4_000)]
    low, high = np.quantile(plain, [0.025, 0.975])
    assert ours.low == pytest.approx(low, abs=0.03)
    assert ours.high == pytest.approx(high, abs=0.03)


def test_environments_count_the_same_whatever_their_runs() -> None:
    first = [np.ones(2), np.zeros(10)]
    second = [np.zeros(2), np.ones(10)]
    result = probability_of_improvement(first, second, np.random.default_rng(0), resamples=10)
    assert (result.low, result.value, result.high) == (0.5, 0.5, 0.5)


def test_numbers_of_environments_must_agree() -> None:
    with pytest.raises(ValueError, match="1 environments against 2"):
        probability_of_improvement([[1.0]], [[1.0], [2.0]], np.random.default_rng(0))
