"""The coverage of intervals that docs/statistics.md tells comes out again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from r2po.analysis.statistics.aggregates import iqm
from r2po.analysis.statistics.bootstrap import stratified_bootstrap
from r2po.analysis.statistics.effect import hedges_g, paired_hedges_g, superiority_interval
from r2po.analysis.statistics.noise import SIMULATED, false_alarms
from r2po.analysis.statistics.paired import joint_superiority
from tests.analysis.statistics.documented import LINE, margin, off, percent, rows, told

GAPS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def covered_iqm(environments: int, runs: int, count: int) -> float:
    """Return in how many per cent of cases the interval holds the true IQM: environments are alike, scores normal."""
    generator = np.random.default_rng([environments, runs])
    hits = 0
    for scores in generator.normal(size=(count, environments, runs)):
        interval = stratified_bootstrap(list(scores), iqm, generator, resamples=1000)
        hits += interval.low <= 0 <= interval.high
    return 100 * hits / count


@pytest.mark.slow
@pytest.mark.parametrize(("environments", "count"), [(1, 4000), (3, 2000), (10, 1000)])
def test_coverage_of_the_iqm(environments: int, count: int) -> None:
    head, *body = rows("runs of each environment")
    (cells,) = [cells for name, *cells in body if int(name.split()[0]) == environments]
    documented = {int(runs): percent(cell) for runs, cell in zip(head[1:], cells, strict=True)}
    assert off({runs: covered_iqm(environments, runs, count) for runs in documented}, documented, count, 1.0) == {}


def covered_g(runs: int, gap: float, count: int, *, paired: bool) -> float:
    """Return in how many per cent of cases the interval holds the true standardised difference.

    Values have variance 1; of pairs, half of it is that of the seed.
    """
    generator = np.random.default_rng([runs, round(10 * gap), paired])
    shared = 0.5 if paired else 0.0
    hits = 0
    for _ in range(count):
        x, y = generator.normal(size=runs) * shared**0.5 + generator.normal(size=(2, runs)) * (1 - shared) ** 0.5
        interval = (paired_hedges_g if paired else hedges_g)(x + gap, y)
        assert interval is not None
        hits += interval.low <= gap <= interval.high
    return 100 * hits / count


@pytest.mark.slow
def test_coverage_of_hedges_g() -> None:
    text = r"differences from 0 to 2 in simulations with 3 to 10 runs: (\d+) %; of pairs, (\d+) to (\d+) %"
    alone, lowest, highest = told(text)
    count = 2000
    cases = [(runs, gap) for runs in (3, 5, 10) for gap in (0.0, 1.0, 2.0)]
    groups = {case: covered_g(*case, count, paired=False) for case in cases}
    assert off(groups, dict.fromkeys(cases, alone), count, 1.0) == {}
    pairs = [covered_g(*case, count, paired=True) for case in cases]
    assert min(pairs) == pytest.approx(lowest, abs=margin(lowest, count) + 0.5)
    assert max(pairs) == pytest.approx(highest, abs=margin(highest, count) + 0.5)


def covered_chance(runs: int, gap: float, count: int) -> float:
    """Return in how many per cent of cases Newcombe's interval holds the true probability of improvement."""
    generator = np.random.default_rng([runs, round(10 * gap), 3])
    truth = float(stats.norm.cdf(gap / 2**0.5))
    intervals = [superiority_interval(x + gap, y) for x, y in generator.normal(size=(count, 2, runs))]
    return 100 * float(np.mean([each.low <= truth <= each.high for each in intervals]))


@pytest.mark.slow
def test_coverage_of_the_probability_of_improvement() -> None:
    count = 4000
    lowest, highest, low, high = told(r"Coverage: (\d+) to (\d+) % with 3 runs, (\d+) to (\d+) % with 5 and 10")
    few = [covered_chance(3, gap, count) for gap in GAPS]
    more = [covered_chance(runs, gap, count) for runs in (5, 10) for gap in GAPS]
    for simulated, documented in zip(
        (min(few), max(few), min(more), max(more)), (lowest, highest, low, high), strict=True
    ):
        assert simulated == pytest.approx(documented, abs=margin(documented, count) + 0.5)


def covered_jointly(runs: int, gap: float, count: int) -> float:
    """Return in how many per cent of cases the joint bootstrap of pairs holds the true probability of improvement.

    Half of the variance is that of the seed.
    """
    generator = np.random.default_rng([runs, round(10 * gap), 4])
    truth = float(stats.norm.cdf(gap / 2**0.5))
    hits = 0
    for _ in range(count):
        x, y = (generator.normal(size=runs) + generator.normal(size=(2, runs))) / 2**0.5
        interval = joint_superiority(x + gap, y, generator, resamples=1000)
        hits += interval.low <= truth <= interval.high
    return 100 * hits / count


@pytest.mark.slow
def test_the_joint_bootstrap_needs_more_than_three_pairs() -> None:
    documented = told(
        r"Of three, it would cover (\d+) % without a difference and (\d+) % with one of a standard deviation"
    )
    count = 2000
    simulated = {gap: covered_jointly(3, gap, count) for gap in (0.0, 1.0)}
    assert off(simulated, dict(zip(simulated, documented, strict=True)), count, 1.0) == {}


@pytest.mark.slow
def test_false_alarms_of_changes() -> None:
    text = r"with 20 rollouts, (\d+) % of them pass .*; with 10 rollouts (\d+) %, with 3 rollouts (\d+) %"
    simulated = {rollouts: 50 * false_alarms(rollouts, rollouts, False) for rollouts in (20, 10, 3)}
    assert off(simulated, dict(zip(simulated, told(text), strict=True)), SIMULATED, 1.0) == {}


def spread(degrees: int) -> tuple[float, float]:
    """Return between how many times the one shown the true standard deviation is, with a chance of 95 %."""
    low, high = (float((degrees / stats.chi2.ppf(level, degrees)) ** 0.5) for level in (0.975, 0.025))
    return low, high


def test_how_uncertain_standard_deviations_are() -> None:
    assert (
        "Of four runs, the 95 % interval of a standard deviation reaches from {:.1f} to {:.1f}".format(*spread(3))
        in LINE
    )
    assert "with 3 runs on each side, the true one may be {:.1f} to {:.1f} times".format(*spread(4)) in LINE


def test_example_of_equal_weights() -> None:
    """Scores of single runs would rank the methods the other way round."""
    first = [np.full(9, 1.0), np.zeros(1), np.zeros(1)]
    second = [np.ones(1), np.full(9, 0.6), np.full(9, 0.6)]
    pooled = [float(stats.trim_mean(np.concatenate(each), 0.25)) for each in (first, second)]
    text = r"would have IQM (\S+), and one with .* 9 runs (\S+)\. With equal weights they have (\S+) and (\S+)\. \*"
    found = [*pooled, float(iqm(first)), float(iqm(second))]
    assert [round(value, 2) for value in found] == told(text)
