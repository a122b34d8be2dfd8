from __future__ import annotations

from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.analysis.statistics import odds_ratio, wilson_interval

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
    with pytest.raises(ValueError, match="is no share"):
        wilson_interval(*bad)
    with pytest.raises(ValueError, match="is no share"):
        odds_ratio(1, 2, *bad)
