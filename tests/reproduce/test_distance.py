"""Distances against SciPy and closed forms; what is not known has none."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from r2po.analysis.output.scores import Score, reference_lines
from r2po.analysis.salience.signs import Share
from r2po.reproduce import distance
from r2po.reproduce.distance import of_means, of_shares

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


def test_tables_say_what_the_page_says() -> None:
    ours, published = Score("", 29 / 30, 1e-5, 10), Score("", 0.97, 0.0, 10)
    found = of_means(ours, published)
    assert found.p is not None
    assert reference_lines(ours, published, "")[1] == f"t = {found.value:+.2f}, p = {found.p:.3f}"


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


@pytest.mark.parametrize(
    ("ours", "published", "why"),
    [
        (None, (3, 9), distance.NO_RUNS),
        (Share((), 7), (3, 9), distance.NO_RUNS),
        (Share(((0, 0), (0, 0)), 7), (3, 9), distance.NO_RUNS),
        (Share(((4, 5),), 0), (101, 323), distance.ONE_RUN),
        (Share(((4, 5), (0, 0)), 3), (101, 323), distance.ONE_RUN),
        (Share(((4, 5), (1, 2)), 3), (0, 0), distance.NOT_PUBLISHED),
        (Share(((4, 4), (2, 2)), 0), (9, 9), distance.EQUAL_SHARES),
    ],
)
def test_shares_without_a_distance(ours: Share | None, published: tuple[int, int], why: str) -> None:
    found = of_shares(ours, *published)
    assert (found.value, found.p, found.why) == (None, None, why)


def test_a_known_distance_of_shares() -> None:
    """Iterations of very many runs with one each are independent: it is the test of two shares."""
    ours = Share(((1, 1),) * 60 + ((0, 1),) * 40, 0)
    found = of_shares(ours, 150, 300)
    error = math.sqrt(0.525 * 0.475 * (1 / 100 + 1 / 300))
    assert found.value == pytest.approx(0.1 / error, rel=0.03)
    assert found.p == pytest.approx(2 * stats.t.sf(0.1 / error, 99), rel=0.1)


@pytest.mark.parametrize(("share", "runs", "each"), [(0.3, 2, 8), (0.95, 3, 5), (0.74, 3, 6)])
@pytest.mark.parametrize("likeness", [0.0, 0.5])
def test_equal_shares_are_seldom_far(share: float, runs: int, each: int, likeness: float) -> None:
    """Of all outcomes of runs with the published share, by their exact probability, 5 % at most have p below 0.05."""
    size = (1 - likeness) / likeness if likeness else 0.0
    numbers = range(each + 1)
    ahead = (
        stats.betabinom.pmf(numbers, each, share * size, (1 - share) * size)
        if size
        else stats.binom.pmf(numbers, each, share)
    )
    wrong = 0.0
    for counts in combinations_with_replacement(numbers, runs):
        ways = math.factorial(runs) / math.prod(map(math.factorial, Counter(counts).values()))
        found = of_shares(Share(tuple((count, each) for count in counts), 0), round(share * 10**6), 10**6)
        if found.p is not None and found.p < 0.05:
            wrong += ways * math.prod(ahead[count] for count in counts)
    assert wrong <= 0.05


def test_ten_runs_far_from_the_published_share_are_far() -> None:
    """A test that finds nothing would pass all of the above: exact binomial p of 20 in 100 against 0.7 is tiny."""
    assert stats.binomtest(20, 100, 0.7).pvalue < 1e-6
    found = of_shares(Share(((2, 10),) * 10, 0), 700, 1000)
    assert found.p is not None
    assert found.p < 0.001
