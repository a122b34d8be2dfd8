"""Odds ratios within strata and over clusters."""

from __future__ import annotations

import warnings
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import t

from r2po.analysis.statistics.odds import OddsRatio, odds_ratio

counts = st.integers(0, 200).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
clusters = st.lists(st.tuples(counts, counts).map(lambda pairs: (*pairs[0], *pairs[1])), min_size=1, max_size=8)
tables = st.lists(st.tuples(counts, counts).map(lambda pairs: (*pairs[0], *pairs[1])), min_size=1, max_size=5)


def of_clusters(found: list[tuple[int, int, int, int]]) -> OddsRatio | None:
    """Return the odds ratio over clusters, in one stratum."""
    return odds_ratio([[each] for each in found])


def of_counts(count: int, total: int, other_count: int, other_total: int) -> OddsRatio | None:
    """Return the odds ratio of independent events."""
    return of_clusters([(count, total, other_count, other_total)])


def test_known_answer() -> None:
    ratio = of_counts(20, 30, 10, 30)
    assert ratio is not None
    assert ratio.value == pytest.approx(4.0)
    assert ratio.high / ratio.low == pytest.approx(exp(2 * 1.959963984540054 * sqrt(2 / 20 + 2 / 10)))
    assert (ratio.corrected, ratio.clustered) == (False, False)


def test_an_empty_cell_is_corrected() -> None:
    ratio = of_counts(5, 5, 1, 4)
    assert ratio is not None
    assert ratio.corrected
    assert ratio.value == pytest.approx((5.5 * 3.5) / (0.5 * 1.5))
    assert ratio.low < ratio.value < ratio.high


def test_nothing_to_compare() -> None:
    assert of_counts(0, 0, 1, 4) is None
    # Each group is in a stratum of its own.
    assert odds_ratio([[[1, 4, 0, 0], [0, 0, 1, 4]]]) is None


def test_only_members_of_a_stratum_are_compared() -> None:
    # Within both strata the odds are equal; together they are not (Simpson's paradox).
    strata = [[[8, 10, 80, 100], [20, 100, 2, 10]]]
    within, together = odds_ratio(strata), of_counts(28, 110, 82, 110)
    assert within is not None
    assert together is not None
    assert within.value == pytest.approx(1.0)
    assert together.high < 0.3


@given(counts, counts)
def test_agrees_with_statsmodels(one: tuple[int, int], other: tuple[int, int]) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason="statsmodels is not installed")
    ratio = of_counts(*one, *other)
    if ratio is None:
        return
    cells = np.array([[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]], dtype=float)
    expected = tables.Table2x2(cells + 0.5 if (cells == 0).any() else cells, shift_zeros=False)
    assert ratio.value == pytest.approx(expected.oddsratio, rel=1e-9)
    assert (ratio.low, ratio.high) == pytest.approx(expected.oddsratio_confint(), rel=1e-6)
    assert ratio.corrected == bool((cells == 0).any())


@given(tables)
def test_strata_agree_with_statsmodels(found: list[tuple[int, int, int, int]]) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason="statsmodels is not installed")
    ratio = odds_ratio([found])
    if ratio is None or ratio.corrected:
        return
    cells = [np.array([[e, n - e], [f, m - f]], dtype=float) for e, n, f, m in found if n and m]
    expected = tables.StratifiedTable(cells)
    assert ratio.value == pytest.approx(expected.oddsratio_pooled, rel=1e-9)
    assert (ratio.low, ratio.high) == pytest.approx(expected.oddsratio_pooled_confint(), rel=1e-6)


@given(clusters)
def test_clusters_never_narrow_an_interval(found: list[tuple[int, int, int, int]]) -> None:
    ratio, plain = of_clusters(found), of_counts(*(sum(column) for column in zip(*found, strict=True)))
    assert (ratio is None) == (plain is None)
    if ratio is not None and plain is not None:
        assert ratio.value == pytest.approx(plain.value)
        assert ratio.corrected == plain.corrected
        assert ratio.low <= plain.low * (1 + 1e-9)
        assert ratio.high >= plain.high * (1 - 1e-9)


def test_one_cluster_is_no_cluster() -> None:
    plain = of_counts(20, 30, 10, 30)
    assert of_clusters([(20, 30, 10, 30), (0, 0, 0, 0)]) == plain
    assert of_clusters([(20, 30, 0, 0), (0, 0, 7, 20), (0, 0, 3, 10)]) == plain


def test_clusters_count_even_where_a_count_is_0() -> None:
    alone, alike = of_counts(0, 20, 10, 20), of_clusters([(0, 10, 10, 10), (0, 10, 0, 10)])
    assert alone is not None
    assert alike is not None
    assert alike.clustered
    assert log(alike.high / alike.low) > 1.5 * log(alone.high / alone.low)


@given(clusters)
@example([(73, 120, 73, 120)] * 3)
def test_clusters_agree_with_the_logistic_regression_of_statsmodels(found: list[tuple[int, int, int, int]]) -> None:
    models = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed")
    ratio = of_clusters(found)
    sums = [sum(column) for column in zip(*found, strict=True)]
    runs = min(sum(bool(n) for _, n, _, _ in found), sum(bool(m) for *_, m in found))
    if ratio is None or ratio.corrected or not ratio.clustered:
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
    plain = of_counts(*sums)
    assert plain is not None
    assert ratio.value == pytest.approx(exp(fit.params[1]), rel=1e-6)
    assert log(ratio.high / ratio.value) == pytest.approx(max(half, log(plain.high / plain.value)), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("bad", [(-1, 3), (4, 3)])
def test_more_events_than_members_are_refused(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        of_clusters([(1, 2, 1, 2), (1, 2, *bad)])
