"""Distances against SciPy and closed forms; what is not known has none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from r2po.analysis.output.scores import Score
from r2po.reproduce import distance
from r2po.reproduce.distance import of_means, of_z

RUNS = st.integers(min_value=2, max_value=30)
MEANS = st.floats(min_value=-1e4, max_value=1e4)
STDS = st.floats(min_value=0.01, max_value=1e3)


@given(ours=st.tuples(MEANS, STDS, st.integers(3, 30)), published=st.tuples(MEANS, STDS, st.integers(3, 30)))
def test_it_is_welchs_t_of_means_one_of_which_was_rounded(
    ours: tuple[float, float, int], published: tuple[float, float, int]
) -> None:
    mean, std, runs = published
    rounded = math.sqrt(std**2 + runs * 0.01**2 / 12)  # of a uniform error in (-0.005, 0.005)
    expected = stats.ttest_ind_from_stats(*ours, mean, rounded, runs, equal_var=False)
    found = of_means(Score("R2PO", *ours), Score("R2PO", mean, std, runs))
    assert found.value == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


def test_a_known_distance() -> None:
    # Differences of 3 with errors of 0.3 and 0.4: an error of 0.5.
    found = of_means(Score("", 13.0, 0.3 * 3, 9), Score("", 10.0, 0.4 * 4, 16))
    assert found.value == pytest.approx(6.0, rel=1e-4)


def test_what_rounding_explains_is_not_far() -> None:
    """All runs of ours reach 29/30, and vary in the last bits of what is printed; the paper prints 0.97 ± 0.00."""
    found = of_means(Score("", 29 / 30, 1e-5, 10), Score("", 0.97, 0.0, 10))
    assert found.value is not None
    assert abs(found.value) < 2
    assert abs((29 / 30 - 0.97) / (1e-5 / math.sqrt(10))) > 1000  # without the error of rounding


@pytest.mark.parametrize(
    ("ours", "published", "why"),
    [
        (None, Score("", 1.0, 1.0, 10), distance.NO_RUNS),
        (Score("", 1.0, 1.0, 10), None, distance.NOT_PUBLISHED),
        (None, None, distance.NOT_PUBLISHED),
        (Score("", 1.0, 0.0, 1), Score("", 2.0, 1.0, 10), distance.ONE_RUN),
        (Score("", 1.0, 1.0, 5), Score("", 2.0, 0.0, 1), distance.ONE_PUBLISHED),
        (Score("", 1000.001, 0.0, 10), Score("", 1000.0, 0.0, 10), distance.EQUAL),
        (Score("", 999.0, 0.0, 10), Score("", 1000.0, 0.0, 10), distance.NO_SCALE),
    ],
)
def test_what_is_not_known_has_no_distance(ours: Score | None, published: Score | None, why: str) -> None:
    found = of_means(ours, published)
    assert (found.value, found.p, found.why) == (None, None, why)


def test_a_z_is_a_distance_with_the_p_of_a_normal_one() -> None:
    found = of_z(1.959964, known=True)
    assert found.p == pytest.approx(0.05, abs=1e-6)
    assert of_z(None, known=False).why == distance.NO_RUNS
    assert of_z(math.inf, known=True).value is None
