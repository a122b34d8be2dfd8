from __future__ import annotations

from math import lcm
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.analysis.statistics.aggregates import AGGREGATES, Aggregate, iqm, mean, median, optimality_gap
from r2po.analysis.statistics.arrays import Floats
from r2po.analysis.statistics.bootstrap import bootstrap_difference, stratified_bootstrap
from tests.analysis.statistics.documented import margin
from tests.analysis.statistics.oracles import EXAMPLES, by_environment

scores_of = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60)


def alone(*values: float) -> list[Floats]:
    """Return scores of one environment."""
    return [np.array(values)]


def environments(scores: list[list[float]]) -> list[Floats]:
    return [np.array(each) for each in by_environment(scores)]


def test_iqm_known_answers() -> None:
    assert iqm(alone(100.0, 1.0, 2.0, -50.0)) == 1.5
    assert iqm(alone(*range(8))) == 3.5
    # Five values: a quarter is one whole value on each side.
    assert iqm(alone(9.0, 0.0, 1.0, 2.0, 3.0)) == 2.0
    assert iqm(alone(7.0)) == 7.0


@given(scores_of)
def test_iqm_agrees_with_scipy(values: list[float]) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    assert iqm(alone(*values)) == pytest.approx(stats.trim_mean(values, 0.25), rel=1e-12, abs=1e-9)


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6), min_size=1, max_size=5))
def test_unequal_numbers_of_runs_are_repeated_until_they_are_equal(values: list[list[float]]) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    common = lcm(*map(len, values))
    repeated = np.concatenate([np.repeat(each, common // len(each)) for each in values])
    assert iqm([np.array(each) for each in values]) == pytest.approx(stats.trim_mean(repeated, 0.25), abs=1e-9)


def test_iqm_works_along_the_last_axis() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(4, 5, 11)), generator.normal(size=(4, 5, 3))
    expected = [[iqm([first[i, j], second[i, j]]) for j in range(5)] for i in range(4)]
    np.testing.assert_allclose(iqm([first, second]), expected)


def test_where_a_method_is_run_more_often_does_not_rank_it() -> None:
    """Everywhere as good or worse, one method has more runs where both are best."""
    worse = [np.full(30, 1.0), np.zeros(3), np.zeros(3)]
    better = [np.full(3, 1.0), np.full(30, 0.6), np.full(30, 0.6)]
    for statistic in (iqm, mean, median):
        assert statistic(worse) < statistic(better)
    assert optimality_gap(worse) > optimality_gap(better)


def equal_methods(aggregate: Aggregate, count: int) -> tuple[float, float, float]:
    """Compare two equal methods, one with more runs where scores are high, one where they are low.

    Returns:
        The mean difference of the aggregates, its standard error, and how often its interval excludes 0.
    """
    generator = np.random.default_rng(3)
    levels, sizes = (0.9, 0.5, 0.1), ((20, 12, 10), (10, 12, 20))
    gaps, excluded = [], 0
    for _ in range(count):
        first, second = (
            [generator.normal(level, 0.1, n) for level, n in zip(levels, each, strict=True)] for each in sizes
        )
        found = bootstrap_difference(first, second, aggregate, generator, resamples=400)
        gaps.append(found.value)
        excluded += found.low > 0 or found.high < 0
    return float(np.mean(gaps)), float(np.std(gaps, ddof=1) / count**0.5), excluded / count


def check_equal_methods(name: str, count: int) -> None:
    gap, error, excluded = equal_methods(AGGREGATES[name], count)
    # Means are unbiased. Quartiles of ten values lie a little further inside than those of twenty.
    assert abs(gap) < 3 * error + {"iqm": 0.004, "median": 0.0, "mean": 0.0, "optimality_gap": 0.0}[name]
    # Percentile intervals of ten runs cover 93 to 94 %.
    assert excluded < 0.07 + margin(7, count) / 100


@pytest.mark.parametrize("name", ["iqm", "mean"])
def test_equal_methods_are_not_told_apart_by_their_numbers_of_runs(name: str) -> None:
    check_equal_methods(name, 150)


@pytest.mark.slow
@pytest.mark.parametrize("name", AGGREGATES)
def test_nor_are_they_in_many_studies(name: str) -> None:
    check_equal_methods(name, 4000)


def test_each_environment_counts_the_same() -> None:
    scores = [np.array([0.0] * 9), np.array([1.0])]
    assert [float(each(scores)) for each in (mean, optimality_gap, iqm)] == [0.5, 0.5, 0.5]


def test_median_is_that_of_the_means_of_environments() -> None:
    # Means 1, 2 and 10/3; the median of all nine runs would be 0.
    scores = [np.array([0.0, 0.0, 3.0]), np.array([0.0, 0.0, 6.0]), np.array([0.0, 0.0, 10.0])]
    assert median(scores) == 2.0


def test_optimality_gap_gives_nothing_beyond_the_target() -> None:
    assert optimality_gap(alone(0.5, 1.0, 7.0)) == pytest.approx(0.5 / 3)


@pytest.mark.parametrize("name", AGGREGATES)
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_agrees_with_rliable(example: dict[str, Any], name: str) -> None:
    scores = environments(example["first"])
    assert AGGREGATES[name](scores) == pytest.approx(example[name], rel=1e-12)
    low, high = example["intervals"][name]
    ours = stratified_bootstrap(scores, AGGREGATES[name], np.random.default_rng(0))
    assert ours.low == pytest.approx(low, abs=0.06 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.06 * (high - low))


def test_difference_known_answers() -> None:
    first, second = [np.array([3.0, 3.0]), np.array([1.0])], [np.array([1.0]), np.array([1.0, 1.0])]
    found = bootstrap_difference(first, second, iqm, np.random.default_rng(0), resamples=20)
    assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="2 environments against 1"):
        bootstrap_difference(first, second[:1], iqm, np.random.default_rng(0))


def test_difference_has_the_closed_form_width() -> None:
    generator = np.random.default_rng(6)
    first, second = generator.normal(0, 1, 400), generator.normal(0, 2, 300)
    found = bootstrap_difference([first], [second], mean, np.random.default_rng(0), resamples=4_000)
    error = np.sqrt(first.var() / 400 + second.var() / 300)
    assert found.high - found.low == pytest.approx(2 * 1.95996 * error, rel=0.05)


def coverage_of_no_difference(runs: int, repeats: int) -> float:
    """Return how often the interval of the difference of IQM between equal methods covers 0."""
    covered = 0
    for seed in range(repeats):
        generator = np.random.default_rng([seed, runs])
        first, second = generator.normal([0.2, 0.5, 0.8], 0.2, size=(2, runs, 3))
        found = bootstrap_difference(list(first.T), list(second.T), iqm, generator, resamples=400)
        covered += found.low <= 0 <= found.high
    return covered / repeats


def test_few_runs_make_intervals_too_narrow() -> None:
    assert coverage_of_no_difference(2, 300) < 0.92
    assert coverage_of_no_difference(10, 300) > 0.92


@pytest.mark.slow
def test_the_difference_of_equal_methods_covers_0_as_often_as_it_says() -> None:
    assert 0.93 < coverage_of_no_difference(10, 4_000) < 0.965


def test_interval_of_the_mean_has_the_closed_form_width() -> None:
    # Var of the stratified mean: that of each environment's mean over E^2. Large n, so the normal quantiles hold.
    generator = np.random.default_rng(5)
    scores = [generator.normal(0, 1, 400), generator.normal(10, 3, 200)]
    error = np.sqrt(sum(x.var() / x.size for x in scores)) / 2
    interval = stratified_bootstrap(scores, mean, np.random.default_rng(0))
    assert interval.high - interval.low == pytest.approx(2 * 1.95996 * error, rel=0.05)
    # Unstratified, the difference between the environments would dominate.
    unstratified = 2 * 1.95996 * np.std(np.concatenate(scores)) / 600**0.5
    assert interval.high - interval.low < 0.6 * unstratified


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        scores = [generator.normal(mu, 1, 25) for mu in (0.0, 1.0, 2.0)]
        interval = stratified_bootstrap(scores, mean, generator, resamples=500)
        covered += interval.low <= 1.0 <= interval.high
    assert 0.87 <= covered / 200 <= 0.985


def test_same_generator_same_interval_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [np.arange(4.0), np.arange(3.0)]
    one = stratified_bootstrap(scores, iqm, np.random.default_rng(4), resamples=300)
    assert one == stratified_bootstrap(scores, iqm, np.random.default_rng(4), resamples=300)
    assert one != stratified_bootstrap(scores, iqm, np.random.default_rng(5), resamples=300)
    monkeypatch.setattr("r2po.analysis.statistics.bootstrap.CHUNK_VALUES", 70)
    chunked = stratified_bootstrap(scores, iqm, np.random.default_rng(4), resamples=300)
    assert chunked.value == one.value
    assert chunked.low == pytest.approx(one.low, abs=0.5)


def test_one_run_has_an_interval_of_no_width() -> None:
    interval = stratified_bootstrap([np.array([0.3])], iqm, np.random.default_rng(0), resamples=50)
    assert (interval.low, interval.value, interval.high) == (0.3, 0.3, 0.3)


@pytest.mark.parametrize(
    ("scores", "message"),
    [([], "at least one environment"), ([[1.0], []], "environment 1 has no run"), ([[np.nan]], "must be finite")],
)
@pytest.mark.parametrize("name", AGGREGATES)
def test_missing_scores_are_refused(scores: list[list[float]], message: str, name: str) -> None:
    with pytest.raises(ValueError, match=message):
        stratified_bootstrap(scores, AGGREGATES[name], np.random.default_rng(0), resamples=5)
