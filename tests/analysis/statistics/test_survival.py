"""How long it takes to reach a target, with runs that end before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.analysis.statistics.survival import kaplan_meier


def test_by_hand() -> None:
    """Of four, one reaches it at 10, one ends at 15 without, one reaches it at 20, one ends at 30 without."""
    found = kaplan_meier([10, 15, 20, 30], [True, False, True, False])
    np.testing.assert_array_equal(found.at, [10, 20])
    np.testing.assert_array_equal(found.at_risk, [4, 2])
    np.testing.assert_allclose(found.share, [3 / 4, 3 / 8])
    assert found.median == 20
    assert found.restricted_mean(30) == pytest.approx(10 + 10 * 3 / 4 + 10 * 3 / 8)
    assert found.restricted_mean(5) == 5


def test_half_is_enough_for_the_median() -> None:
    assert kaplan_meier([1, 2, 3, 4], [True] * 4).median == 2
    assert kaplan_meier(range(1, 11), [True] * 10).median == 5, "9/10 * 8/9 * ... is 1/2 but for its last bits"
    assert kaplan_meier([1, 2, 3, 4], [True, False, False, False]).median is None


def test_without_any_that_reaches_it() -> None:
    found = kaplan_meier([7.0, 9.0], [False, False])
    assert (found.median, found.end, found.restricted_mean(9)) == (None, 9, 9)


def test_without_censoring_the_restricted_mean_is_the_mean() -> None:
    assert kaplan_meier([3, 5, 5, 11], [True] * 4).restricted_mean(11) == pytest.approx(6)


observed = st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=25)


@given(observed)
def test_agrees_with_statsmodels(runs: list[tuple[int, bool]]) -> None:
    times, reached = np.array([at for at, _ in runs], float), np.array([event for _, event in runs])
    ours = kaplan_meier(times, reached)
    if not reached.any():
        assert ours.share.size == 0
        return
    survfunc = pytest.importorskip("statsmodels.duration.survfunc", reason="statsmodels is not installed")
    theirs = survfunc.SurvfuncRight(times, reached.astype(int))
    np.testing.assert_array_equal(ours.at, theirs.surv_times)
    np.testing.assert_allclose(ours.share, theirs.surv_prob, atol=1e-12)
    np.testing.assert_array_equal(ours.at_risk, theirs.n_risk)
    # Their quantile wants less than half to be left; ours, by the usual definition, no more than half.
    quantile = theirs.quantile(0.5 - 1e-9)
    assert (ours.median is None and np.isnan(quantile)) or ours.median == quantile


def test_censoring_does_not_shorten_what_is_estimated() -> None:
    """Exponential times with mean 100 and censoring: the mean of what was observed is half, the estimate is not."""
    rng = np.random.default_rng(0)
    times, ends = rng.exponential(100, 4000), rng.exponential(100, 4000)
    observed, reached = np.minimum(times, ends), times <= ends
    estimate = kaplan_meier(observed, reached)
    assert estimate.median == pytest.approx(100 * np.log(2), rel=0.1)
    assert np.median(observed[reached]) < 40
    assert estimate.restricted_mean(150) == pytest.approx(np.minimum(times, 150).mean(), rel=0.05)


@pytest.mark.parametrize("bad", [([], []), ([1.0], [True, False]), ([np.nan], [True])])
def test_what_cannot_be_estimated_is_refused(bad: tuple[list[float], list[bool]]) -> None:
    with pytest.raises(ValueError, match=r"expected n positions|must be finite"):
        kaplan_meier(*bad)
