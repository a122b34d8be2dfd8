from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.analysis.statistics.aggregates import AGGREGATES, iqm, mean, optimality_gap
from r2po.analysis.statistics.bootstrap import stratified_bootstrap
from tests.analysis.statistics.oracles import interval_by_rliable, rliable

scores_of = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60)


def test_iqm_known_answers() -> None:
    assert iqm(np.array([100.0, 1.0, 2.0, -50.0])) == 1.5
    assert iqm(np.arange(8, dtype=np.float64)) == 3.5
    # Five values: a quarter is one whole value on each side.
    assert iqm(np.array([9.0, 0.0, 1.0, 2.0, 3.0])) == 2.0
    assert iqm(np.array([7.0])) == 7.0


@given(scores_of)
def test_iqm_agrees_with_scipy(values: list[float]) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    assert iqm(np.array(values)) == pytest.approx(stats.trim_mean(values, 0.25), rel=1e-12, abs=1e-9)


def test_iqm_works_along_the_last_axis() -> None:
    values = np.random.default_rng(0).normal(size=(4, 5, 11))
    expected = [[iqm(row) for row in block] for block in values]
    np.testing.assert_allclose(iqm(values), expected)


def test_optimality_gap_gives_nothing_beyond_the_target() -> None:
    assert optimality_gap(np.array([0.5, 1.0, 7.0])) == pytest.approx(0.5 / 3)


def test_agrees_with_rliable() -> None:
    metrics: Any = rliable("metrics")
    scores = np.random.default_rng(1).normal(0.5, 0.4, size=(10, 7))
    pooled = scores.ravel()
    assert iqm(pooled) == pytest.approx(metrics.aggregate_iqm(scores), rel=1e-12)
    assert mean(pooled) == pytest.approx(metrics.aggregate_mean(scores), rel=1e-12)
    assert optimality_gap(pooled) == pytest.approx(metrics.aggregate_optimality_gap(scores), rel=1e-12)


def test_interval_agrees_with_rliable(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics: Any = rliable("metrics")
    scores = np.random.default_rng(2).gamma(2.0, size=(10, 6))
    low, high = interval_by_rliable(scores, lambda x: np.array([metrics.aggregate_iqm(x)]), monkeypatch)
    ours = stratified_bootstrap(list(scores.T), iqm, np.random.default_rng(0))
    assert ours.low == pytest.approx(low, abs=0.06 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.06 * (high - low))


def test_interval_of_the_mean_has_the_closed_form_width() -> None:
    # Var of the stratified mean: sum of n_i population variances over N^2. Large n, so the normal quantiles hold.
    generator = np.random.default_rng(5)
    scores = [generator.normal(0, 1, 400), generator.normal(10, 3, 200)]
    error = np.sqrt(sum(x.size * x.var() for x in scores)) / 600
    interval = stratified_bootstrap(scores, mean, np.random.default_rng(0))
    assert interval.high - interval.low == pytest.approx(2 * 1.95996 * error, rel=0.05)
    # Unstratified, the difference between the environments would dominate.
    assert interval.high - interval.low < np.std(np.concatenate(scores)) / 600**0.5 * 2


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
