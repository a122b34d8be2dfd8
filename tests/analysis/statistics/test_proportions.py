from __future__ import annotations

import warnings
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import t

from r2po.analysis.statistics.proportions import clustered_interval, clustered_odds_ratio, odds_ratio, wilson_interval

counts = st.integers(0, 200).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


def test_odds_ratio_known_answer() -> None:
    ratio = odds_ratio(20, 30, 10, 30)
    assert ratio is not None
    assert ratio.value == pytest.approx(4.0)
    assert ratio.high / ratio.low == pytest.approx(exp(2 * 1.959963984540054 * sqrt(2 / 20 + 2 / 10)))
    assert not ratio.corrected


def test_odds_ratio_with_an_empty_cell_is_corrected() -> None:
    ratio = odds_ratio(5, 5, 1, 4)
    assert ratio is not None
    assert ratio.corrected
    assert ratio.value == pytest.approx((5.5 * 3.5) / (0.5 * 1.5))
    assert ratio.low < ratio.value < ratio.high


def test_nothing_to_compare() -> None:
    assert odds_ratio(0, 0, 1, 4) is None
    assert wilson_interval(0, 0) is None


@given(counts, counts)
def test_odds_ratio_agrees_with_statsmodels(one: tuple[int, int], other: tuple[int, int]) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason="statsmodels is not installed")
    ratio = odds_ratio(*one, *other)
    if ratio is None:
        return
    cells = np.array([[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]], dtype=float)
    expected = tables.Table2x2(cells + 0.5 if (cells == 0).any() else cells, shift_zeros=False)
    assert ratio.value == pytest.approx(expected.oddsratio, rel=1e-9)
    assert (ratio.low, ratio.high) == pytest.approx(expected.oddsratio_confint(), rel=1e-6)
    assert ratio.corrected == bool((cells == 0).any())


@given(counts)
def test_wilson_agrees_with_statsmodels(pair: tuple[int, int]) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion", reason="statsmodels is not installed")
    if pair[1]:
        expected = proportion.proportion_confint(*pair, method="wilson")
        assert wilson_interval(*pair) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("bad", [(-1, 3), (4, 3)])
def test_more_events_than_members_are_refused(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        wilson_interval(*bad)
    with pytest.raises(ValueError, match="is not a share"):
        odds_ratio(1, 2, *bad)


clusters = st.lists(st.tuples(counts, counts).map(lambda pairs: (*pairs[0], *pairs[1])), min_size=1, max_size=8)


@given(clusters)
def test_clusters_never_narrow_an_interval(found: list[tuple[int, int, int, int]]) -> None:
    sums = [sum(column) for column in zip(*found, strict=True)]
    ratio, plain = clustered_odds_ratio(found), odds_ratio(*sums)
    assert (ratio is None) == (plain is None)
    if ratio is not None and plain is not None:
        assert (ratio.value, ratio.corrected) == (plain.value, plain.corrected)
        assert ratio.low <= plain.low * (1 + 1e-9)
        assert ratio.high >= plain.high * (1 - 1e-9)
    share, alone = clustered_interval([each[:2] for each in found]), wilson_interval(*sums[:2])
    assert (share is None) == (alone is None)
    if share is not None and alone is not None:
        assert 0 <= share[0] <= alone[0] <= alone[1] <= share[1] <= 1


def test_one_cluster_is_no_cluster() -> None:
    assert clustered_odds_ratio([(20, 30, 10, 30)]) == odds_ratio(20, 30, 10, 30)
    assert clustered_odds_ratio([(20, 30, 10, 30), (0, 0, 0, 0)]) == odds_ratio(20, 30, 10, 30)
    assert clustered_odds_ratio([(20, 30, 0, 0), (0, 0, 7, 20), (0, 0, 3, 10)]) == odds_ratio(20, 30, 10, 30)
    assert clustered_interval([(20, 30)]) == wilson_interval(20, 30)
    assert clustered_odds_ratio([]) is None
    assert clustered_interval([(0, 0)]) is None


def test_a_run_of_equal_iterations_counts_once() -> None:
    # Ten runs of 50 iterations, in five of which all have the sign: worth ten iterations, less one, not 500.
    low, high = clustered_interval([(50, 50)] * 5 + [(0, 50)] * 5) or (0.0, 0.0)
    quantile, worth = 2.2621571627409915, 9  # Student's 0.975 quantile with 9 degrees of freedom
    assert high - low == pytest.approx(quantile / sqrt(worth) / sqrt(1 + quantile**2 / worth))
    assert (low + high) / 2 == pytest.approx(0.5)


@given(clusters)
@example([(73, 120, 73, 120)] * 3)
def test_clusters_agree_with_the_logistic_regression_of_statsmodels(found: list[tuple[int, int, int, int]]) -> None:
    models = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed")
    ratio = clustered_odds_ratio(found)
    sums = [sum(column) for column in zip(*found, strict=True)]
    runs = min(sum(bool(n) for _, n, _, _ in found), sum(bool(m) for *_, m in found))
    if ratio is None or not ratio.clustered:
        return
    rows = [(e, n - e, 1.0, run) for run, (e, n, _, _) in enumerate(found)]
    rows += [(f, m - f, 0.0, run) for run, (_, _, f, m) in enumerate(found)]
    events, group, cluster = (
        np.array(part) for part in ([r[:2] for r in rows], [r[2] for r in rows], [r[3] for r in rows])
    )
    present = events.sum(axis=1) > 0
    design = models.add_constant(group[present])
    model = models.GLM(events[present], design, family=models.families.Binomial())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of equal shares in all runs it says that they fit too well
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": cluster[present], "use_correction": False}, tol=1e-12)
    variance = max(fit.cov_params()[1, 1], 0.0)  # where all runs are the same, it may round to just below 0
    half = t.ppf(0.975, runs - 1) * sqrt(variance * runs / (runs - 1))
    plain = odds_ratio(*sums)
    assert plain is not None
    assert ratio.value == pytest.approx(exp(fit.params[1]), rel=1e-6)
    assert log(ratio.high / ratio.value) == pytest.approx(max(half, log(plain.high / plain.value)), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("runs", [2, 5, 10])
def test_of_shares_of_0_and_1_each_run_counts_once(runs: int) -> None:
    bound = 1 / (1 + t.ppf(0.975, runs - 1) ** 2 / runs)
    assert clustered_interval([(50, 50)] * runs) == pytest.approx((bound, 1.0))
    assert clustered_interval([(0, 50)] * runs) == pytest.approx((0.0, 1 - bound))


@given(clusters)
def test_shares_agree_with_the_clustered_regression_of_statsmodels(found: list[tuple[int, int, int, int]]) -> None:
    models = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed")
    pairs = [(count, total) for count, total, *_ in found if total]
    count, total = (sum(column) for column in zip(*pairs, strict=True)) if pairs else (0, 0)
    if len(pairs) < 2 or count in (0, total):
        return
    events = np.concatenate([np.arange(total) < count for count, total in pairs]).astype(float)
    groups = np.repeat(np.arange(len(pairs)), [total for _, total in pairs])
    fit = models.OLS(events, np.ones((len(events), 1))).fit()
    fit = fit.get_robustcov_results("cluster", groups=groups, use_correction=False)
    share, error = count / total, fit.bse[0] * sqrt(len(pairs) / (len(pairs) - 1))
    low, high = clustered_interval(pairs) or (0.0, 1.0)
    plain = wilson_interval(count, total) or (0.0, 1.0)
    if error < 1e-9:
        assert (low, high) == pytest.approx(plain)
        return
    # Wilson's bounds are where the share is as far away as the quantile, in standard errors there.
    worth, quantile = share * (1 - share) / error**2, t.ppf(0.975, len(pairs) - 1)
    for bound, alone in ((low, plain[0]), (high, plain[1])):
        if bound != alone:
            assert abs(share - bound) == pytest.approx(quantile * sqrt(bound * (1 - bound) / worth), rel=1e-6)


@pytest.mark.parametrize("bad", [(-1, 3), (4, 3)])
def test_impossible_clusters_are_refused(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        clustered_interval([(1, 2), bad])
    with pytest.raises(ValueError, match="is not a share"):
        clustered_odds_ratio([(1, 2, *bad)])
