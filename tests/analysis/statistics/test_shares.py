"""Shares over clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, betabinom

from r2po.analysis.statistics.clusters import Z95, mean_half_width
from r2po.analysis.statistics.shares import LIKENESS_PRIOR, share_interval
from tests.analysis.statistics.documented import off, percent, rows

counts = st.integers(1, 200).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))

LIKENESS = "likeness \N{GREEK SMALL LETTER RHO}"

Pairs = list[tuple[int, int]]


def found(pairs: Pairs) -> tuple[float, float]:
    interval = share_interval(pairs)
    assert interval is not None
    return interval


@given(st.lists(counts, min_size=1, max_size=6))
def test_intervals_hold_the_share_and_mirror_those_of_the_others(pairs: Pairs) -> None:
    low, high = found(pairs)
    count, total = (sum(column) for column in zip(*pairs, strict=True))
    assert 0 <= low <= count / total <= high <= 1
    mirrored = found([(total - count, total) for count, total in pairs])
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize("pairs", [[(3, 8), (1, 9)], [(20, 30)], [(2, 4), (4, 4), (0, 3)]])
def test_agrees_with_integrals_of_the_beta_binomial(pairs: Pairs) -> None:
    """A sum over a fine grid of shares and likenesses, with scipy's distributions."""
    low, high = found(pairs)
    middles = (np.arange(600) + 0.5) / 600
    shares, likeness = middles[:, None], middles[None, :]
    size = 1 / likeness - 1
    fits = [betabinom.pmf(count, total, shares * size, (1 - shares) * size) for count, total in pairs]
    density = np.prod(fits, axis=0) * beta.pdf(likeness, *LIKENESS_PRIOR) * beta.pdf(shares, 0.5, 0.5)
    below = np.cumsum(density.sum(axis=1)) / density.sum()
    assert np.interp([low, high], middles + 1 / 1200, below) == pytest.approx([0.025, 0.975], abs=0.006)


@pytest.mark.parametrize("runs", [1, 2, 5, 10])
@pytest.mark.parametrize("size", [5, 50, 500])
def test_there_is_no_jump_at_0(runs: int, size: int) -> None:
    def high(count: int) -> float:
        return found([(count, size)] + [(0, size)] * (runs - 1))[1]

    # Each further event in a run moves the end by little, and always upwards.
    ends = [high(count) for count in range(4)]
    assert ends == sorted(ends)
    assert ends[1] < 2.5 * ends[0]
    assert found([(0, size)] * runs)[0] == 0.0
    assert found([(1, size)] + [(0, size)] * (runs - 1))[0] > 0.0


def test_of_none_in_ten_runs_little_is_known() -> None:
    assert found([(0, 50)] * 10)[1] == pytest.approx(0.068, abs=0.001)


def test_runs_that_differ_count_once_each() -> None:
    # Five of ten runs always have the sign: like ten events, not like 500.
    low, high = found([(50, 50)] * 5 + [(0, 50)] * 5)
    assert low < 0.25
    assert high > 0.75
    # Where all runs are alike, iterations count.
    low, high = found([(25, 50)] * 10)
    assert 0.08 < high - low < 0.13


def test_nothing_and_impossible_counts() -> None:
    assert share_interval([]) is None
    assert share_interval([(0, 0)]) is None
    assert share_interval([(3, 5), (0, 0)]) == share_interval([(3, 5)])
    for bad in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="is not a share"):
            share_interval([(1, 2), bad])


def coverage(share: float, likeness: float, runs: int, repeats: int) -> float:
    """Return how often the interval covers the share that runs of about 30 iterations have on average."""
    generator = np.random.default_rng([int(1000 * share), int(1000 * likeness), runs])
    covered = 0
    for _ in range(repeats):
        size = 1 / likeness - 1 if likeness else np.inf
        shares = generator.beta(share * size, (1 - share) * size, runs) if likeness else np.full(runs, share)
        totals = generator.poisson(30, runs) + 1
        low, high = found(list(zip(generator.binomial(totals, shares).tolist(), totals.tolist(), strict=True)))
        covered += low <= share <= high
    return covered / repeats


def test_covers_the_share_as_often_as_it_says() -> None:
    assert coverage(0.3, 0.1, 10, 100) >= 0.88


@pytest.mark.slow
@pytest.mark.parametrize("line", rows(LIKENESS)[1:], ids=" ".join)
def test_the_table_of_the_page_comes_out_again(line: list[str]) -> None:
    likeness, runs, *cells = line
    shares = [float(cell.removeprefix("p = ")) for cell in rows(LIKENESS)[0][2:]]
    count = 400
    simulated = {share: 100 * coverage(share, float(likeness), int(runs), count) for share in shares}
    assert off(simulated, dict(zip(shares, map(percent, cells), strict=True)), count, 1.0) == {}


def test_half_width_of_a_mean_over_clusters() -> None:
    # Two runs of equal values are two values: Student with one degree of freedom, standard deviation 1/sqrt(2).
    assert mean_half_width([[0.0] * 7, [1.0] * 7]) == pytest.approx(12.706204736 * 0.5)
    values = np.random.default_rng(0).normal(size=400)
    assert mean_half_width(np.split(values, 100)) == pytest.approx(Z95 * values.std() / 20, rel=0.25)  # type: ignore[arg-type]
