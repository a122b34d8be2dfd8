"""Effect sizes against SciPy's distributions, statsmodels, and simulations of what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd  # type: ignore[import-untyped]
from statsmodels.stats.power import TTestIndPower, TTestPower  # type: ignore[import-untyped]

from r2po.analysis.statistics.effect import (
    detectable_gap,
    hedges_g,
    paired_hedges_g,
    pooled_std,
    small_sample_factor,
    superiority_interval,
)
from r2po.analysis.statistics.noncentral import detectable_noncentrality, noncentrality_interval

COUNT = 600
MARGIN = 3 * (0.95 * 0.05 / COUNT) ** 0.5


def below(t: float, degrees: float, shift: float) -> float:
    return float(stats.nct.cdf(t, degrees, shift) if shift >= 0 else stats.nct.sf(-t, degrees, -shift))


# Rounded: SciPy's own function, with which it is compared, fails for numbers like 1e-140.
@settings(deadline=None, max_examples=30)
@given(t=st.integers(-6000, 6000).map(lambda number: number / 100), degrees=st.integers(2, 80).map(lambda n: n / 2))
def test_noncentrality_interval_leaves_a_fortieth_at_each_end(t: float, degrees: float) -> None:
    low, high = noncentrality_interval(t, degrees)
    assert below(t, degrees, low) == pytest.approx(0.975, abs=1e-6)
    assert below(t, degrees, high) == pytest.approx(0.025, abs=1e-6)


def test_next_to_zero_the_interval_is_that_of_zero() -> None:
    assert noncentrality_interval(1e-140, 1) == pytest.approx((-stats.norm.isf(0.025), stats.norm.isf(0.025)))


@pytest.mark.parametrize("degrees", [1.0, 2.0, 18.0])
def test_far_out_the_interval_goes_on_as_before(degrees: float) -> None:
    near, far = (np.divide(noncentrality_interval(t, degrees), t) for t in (999.0, 1001.0))
    assert near == pytest.approx(far, rel=2e-3)
    low, high = noncentrality_interval(-1e9, degrees)
    assert (low, high) == pytest.approx((-1e9 * far[1], -1e9 * far[0]))


@pytest.mark.parametrize("runs", [2, 3, 5, 10, 20])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_what_is_detectable_is_found_in_four_of_five_cases(runs: int, alpha: float) -> None:
    degrees = 2 * runs - 2
    effect = detectable_gap((2 / runs) ** 0.5, degrees, alpha)
    # The other side, where t is beyond the limit with the wrong sign, is below a millionth.
    power = stats.nct.sf(stats.t.isf(alpha / 2, degrees), degrees, effect / (2 / runs) ** 0.5)
    assert power == pytest.approx(0.8, abs=1e-5)
    paired = detectable_gap(runs**-0.5, runs - 1, alpha)
    power = stats.nct.sf(stats.t.isf(alpha / 2, runs - 1), runs - 1, paired * runs**0.5)
    assert power == pytest.approx(0.8, abs=1e-5)


def test_what_is_detectable_agrees_with_statsmodels() -> None:
    solved = TTestIndPower().solve_power(nobs1=10, alpha=0.05, power=0.8)
    assert detectable_noncentrality(18, 0.05) * 0.2**0.5 == pytest.approx(solved, rel=1e-6)
    solved = TTestPower().solve_power(nobs=10, alpha=0.05, power=0.8)
    assert detectable_noncentrality(9, 0.05) / 10**0.5 == pytest.approx(solved, rel=1e-5)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 8), (10, 10)])
def test_hedges_g_agrees_with_statsmodels(n: int, m: int) -> None:
    generator = np.random.default_rng(n)
    x, y = generator.normal(1, 2, size=n), generator.normal(0, 1, size=m)
    expected, _ = effectsize_smd(x.mean(), x.std(ddof=1), n, y.mean(), y.std(ddof=1), m)
    g = hedges_g(x, y)
    assert g
    # It approximates the factor by 1 - 3 / (4 df - 1); with 2 degrees of freedom it is 0.571 and not 0.564.
    assert g.value == pytest.approx(expected, rel=0.015 if n == 2 else 1e-3)


def test_small_sample_factor() -> None:
    # Gamma(1) / Gamma(1/2) = 1 / sqrt(pi); Gamma(2) / Gamma(3/2) / sqrt(2) = sqrt(2 / pi).
    assert small_sample_factor(2) == pytest.approx(np.pi**-0.5)
    assert small_sample_factor(4) == pytest.approx((2 / np.pi) ** 0.5)


def covers(kind: str, effect: float, runs: int) -> float:
    """Return how often the interval holds the true effect; pairs share half of the variance."""
    generator = np.random.default_rng(runs)
    hits = 0
    for _ in range(COUNT):
        x, y = (generator.normal(size=(2, runs)) + generator.normal(size=runs) * (kind == "paired")) / 2**0.5
        scale = 1.0 if kind == "paired" else 2**-0.5
        interval = (paired_hedges_g if kind == "paired" else hedges_g)(x + effect * scale, y)
        assert interval
        hits += interval.low <= effect <= interval.high
    return hits / COUNT


@pytest.mark.parametrize("runs", [3, 10])
@pytest.mark.parametrize("kind", ["independent", "paired"])
def test_intervals_of_hedges_g_hold_the_truth(kind: str, runs: int) -> None:
    # That of pairs is an approximation, somewhat too narrow for large effects.
    assert covers(kind, 1.0, runs) == pytest.approx(0.95, abs=MARGIN + 0.015 * (kind == "paired"))


def test_pairs_change_the_interval_and_not_the_number() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=8)
    y = x - 0.5 + 0.3 * generator.normal(size=8)
    alone, paired = hedges_g(x, y), paired_hedges_g(x, y)
    assert alone
    assert paired
    assert paired.value == pytest.approx(alone.value)
    assert paired.high - paired.low < 0.65 * (alone.high - alone.low)


def test_without_variance_there_is_no_scale() -> None:
    assert hedges_g([1.0, 1.0], [2.0, 2.0]) is None
    assert hedges_g([1.0], [2.0, 3.0]) is None
    assert paired_hedges_g([1.0, 2.0], [2.0, 3.0]) is None
    assert pooled_std([1.0, 1.0], [2.0, 2.0]) == 0.0
    assert pooled_std([0.0, 2.0], [5.0, 5.0, 5.0]) == pytest.approx((2 / 3) ** 0.5)
    assert pooled_std([0.0, 1e-200], [0.0, 0.0]) == pytest.approx(1e-200 / 2)


def test_probability_of_improvement_has_a_width_if_all_runs_are_better() -> None:
    interval = superiority_interval([4.0, 5.0, 6.0], [1.0, 2.0, 3.0])
    assert (interval.value, interval.high) == (1.0, 1.0)
    assert 0.4 < interval.low < 0.6
    turned = superiority_interval([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert (turned.low, turned.high) == pytest.approx((0.0, 1 - interval.low))


@pytest.mark.parametrize("gap", [0.0, 1.0, 2.0])
def test_intervals_of_the_probability_hold_the_truth(gap: float) -> None:
    generator = np.random.default_rng(7)
    truth = float(stats.norm.cdf(gap / 2**0.5))
    intervals = [superiority_interval(x + gap, y) for x, y in generator.normal(size=(COUNT, 2, 6))]
    assert np.mean([each.low <= truth <= each.high for each in intervals]) > 0.95 - MARGIN
