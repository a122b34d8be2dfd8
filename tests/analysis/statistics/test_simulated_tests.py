"""The error rates and the power of tests that docs/statistics.md tells come out again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from r2po.analysis.statistics.paired import paired_t
from r2po.analysis.statistics.welch import welch
from tests.analysis.statistics.documented import off, percent, rows, told

COUNT = 10_000
Pairs = NDArray[np.float64]


def pairs(runs: int, shared: float, gap: float, count: int) -> Pairs:
    """Return (count, 2, runs) values with variance 1, a share of which is that of the seed."""
    generator = np.random.default_rng([runs, round(100 * shared), round(100 * gap)])
    seeds = generator.normal(size=(count, 1, runs)) * shared**0.5
    values: Pairs = seeds + generator.normal(size=(count, 2, runs)) * (1 - shared) ** 0.5
    values[:, 0] += gap
    return values


def found(values: Pairs) -> dict[str, float]:
    """Return in how many per cent of studies either test finds a difference at 5 %."""
    tests = {"paired t": paired_t, "Welch": welch}
    return {name: 100 * float(np.mean([test(*each).p < 0.05 for each in values])) for name, test in tests.items()}


def of_the_table(count: int) -> dict[tuple[str, int], float]:
    cases = {"no difference: {} rejects": 0.0, "difference of one standard deviation: {} finds it": 1.0}
    return {
        (case.format(name), runs): rate
        for case, gap in cases.items()
        for runs in (3, 5, 10)
        for name, rate in found(pairs(runs, 0.5, gap, count)).items()
    }


@pytest.mark.slow
def test_pairs_against_groups() -> None:
    head, *body = rows("simulated: half of the variance is that of the seed")
    sizes = [int(cell.removeprefix("n = ")) for cell in head[1:]]
    documented = {(name, n): percent(cell) for name, *cells in body for n, cell in zip(sizes, cells, strict=True)}
    simulated = of_the_table(COUNT)
    rejected = [key for key in documented if key[0].startswith("no difference")]
    assert off({key: simulated[key] for key in rejected}, {key: documented[key] for key in rejected}, COUNT, 0.1) == {}
    assert off(simulated, documented, COUNT, 1.0) == {}


@pytest.mark.slow
def test_pairs_cost_power_if_seeds_do_not_matter() -> None:
    text = r"found in (\d+) % of all cases instead of (\d+) % with 5 runs, and in (\d+) % instead of (\d+) % with 10"
    keys = [(name, runs) for runs in (5, 10) for name in ("paired t", "Welch")]
    simulated = {(name, n): rate for n in (5, 10) for name, rate in found(pairs(n, 0.0, 1.0, COUNT)).items()}
    assert off(simulated, dict(zip(keys, told(text), strict=True)), COUNT, 1.0) == {}


def of_two_and_ten(count: int) -> float:
    """Return in how many per cent of studies Welch's test finds 2 runs to differ from 10 of the same distribution."""
    values = np.random.default_rng(2).normal(size=(count, 12))
    return 100 * float(np.mean([welch(each[:2], each[2:]).p < 0.05 for each in values]))


@pytest.mark.slow
def test_two_runs_against_ten() -> None:
    for text in (r"with 2 runs against 10, Welch's test finds a difference in (\d+) %", r"Welch's would find (\d+) %"):
        (documented,) = told(text)
        assert off({"2 and 10": of_two_and_ten(COUNT)}, {"2 and 10": documented}, COUNT, 1.0) == {}


def kept_the_better(count: int) -> tuple[float, float, float, float]:
    """Compare the better of two noisy means with one, of equal policies, at equal budget: 10 runs of each.

    Returns:
        The median gap, the median p of Welch's test, the median probability of improvement, and the share of studies
        that reject.
    """
    generator = np.random.default_rng(8)
    better = (generator.binomial(20, 0.5, (count, 10, 100, 2)) / 20).max(axis=3).mean(axis=2)
    single = (generator.binomial(20, 0.5, (count, 10, 200)) / 20).mean(axis=2)
    p = np.array([welch(x, y).p for x, y in zip(better, single, strict=True)])
    chances = (better[:, :, None] > single[:, None]).mean(axis=(1, 2))
    gaps = better.mean(axis=1) - single.mean(axis=1)
    return float(np.median(gaps)), float(np.median(p)), float(np.median(chances)), float((p < 0.05).mean())


@pytest.mark.slow
def test_the_better_of_two_means_is_biased() -> None:
    text = (
        r"two means seems better by (0\.\d+); .* p around \$10\^\{(-\d+)\}\$, the probability of improvement is (\d),"
    )
    *documented, chance = told(text)
    gap, p, improvement, rejected = kept_the_better(500)
    assert [round(gap, 2), round(np.log10(p))] == documented
    assert (round(improvement, 2), rejected) == (chance, 1.0)
