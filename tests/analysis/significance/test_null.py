"""Under the null hypothesis no more tests reject than they may: simulated studies, each as the command makes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from r2po.analysis.logs.built_in import task_facts
from r2po.analysis.logs.names import PUBLISHED_ORDER
from r2po.analysis.significance.groups import Group
from r2po.analysis.significance.rules import Mode, Rules
from r2po.analysis.significance.tests import Comparison, compare
from tests.analysis.statistics.documented import margin, off, told

SB3 = ("A2C", "DDPG", "DQN", "PPO", "SAC", "TRPO")
BASELINES = (("props", "ProPS"), ("propsp", "ProPS+"), *(("sb3", f"SB3-{name}") for name in SB3))
AS_PUBLISHED = Rules(as_published=True)
Draw = Callable[[np.random.Generator], NDArray[np.float64]]


def study(
    values: NDArray[np.float64], mode: Mode = "best", rules: Rules | None = None, *, seeded: bool = False
) -> list[Comparison]:
    """Return the tests of a study; ``values`` are (environments, methods, runs), the first method's are R2PO's."""
    methods = [("r2po", "R2PO"), *BASELINES[: values.shape[1] - 1]]
    seeds = tuple(range(values.shape[2])) if seeded else ()
    environments = []
    for name, here in zip(PUBLISHED_ORDER, values, strict=False):
        groups = [
            Group(*method, tuple(each), seeds=seeds, protocol="controlled")
            for method, each in zip(methods, here.tolist(), strict=True)
        ]
        environments.append((task_facts(name), groups))
    return compare(environments, mode, rules)


def rate(count: int, seed: int, is_found: Callable[[np.random.Generator], bool]) -> float:
    """Return the share of simulated studies in which something is found."""
    generator = np.random.default_rng(seed)
    return float(np.mean([is_found(generator) for _ in range(count)]))


def error(count: int) -> float:
    """Return three standard errors of a simulated rate of 0.05."""
    return 3 * float(np.sqrt(0.05 * 0.95 / count))


def any_found(rows: list[Comparison]) -> bool:
    return any(row.corrected_p is not None and row.corrected_p <= 0.05 for row in rows)


def coins(generator: np.random.Generator, runs: int = 2) -> NDArray[np.float64]:
    """Ten environments in which a run of R2PO and one of ProPS solve the task or not, each in half of all cases."""
    return generator.integers(0, 2, size=(10, 2, runs)).astype(np.float64)


def check_coins(count: int) -> None:
    found = rate(count, 1, lambda generator: any_found(study(coins(generator))))
    # Two constant groups, unequal by chance, are 1 of 8 cases: 1 - (7/8)^10 of all studies have some.
    expected = 1 - (7 / 8) ** 10
    published = rate(count, 1, lambda generator: any_found(study(coins(generator), rules=AS_PUBLISHED)))
    assert 100 * published == pytest.approx(100 * expected, abs=margin(100 * expected, count))
    assert told(r"that made (\d+) % of studies of ten environments") == [round(100 * expected)]
    assert found == 0.0


def test_runs_that_are_alike_by_chance_find_nothing() -> None:
    check_coins(300)


@pytest.mark.slow
def test_nor_do_they_in_many_studies() -> None:
    check_coins(5000)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [3, 4, 5])
def test_more_runs_that_solve_a_task_or_not_hold_the_level(runs: int) -> None:
    count = 3000
    found = rate(count, runs, lambda generator: any_found(study(coins(generator, runs))))
    assert found < 0.05 + error(count)


@pytest.mark.parametrize("runs", [2, 3])
def test_constant_groups_have_the_p_of_the_permutation_test(runs: int) -> None:
    values = np.zeros((1, 2, runs))
    values[0, 0] = 1.0
    (row,) = study(values)
    floor = {2: 2 / 6, 3: 2 / 20}[runs]
    assert [row.p, row.holm_p] == pytest.approx([floor, floor])
    assert f"cannot be below {floor:.2g} here" in row.notes[0]
    assert study(values, rules=AS_PUBLISHED)[0].p == 0.0


def is_worse(rows: list[Comparison]) -> bool:
    (row,) = rows
    assert row.gap is not None
    return row.gap < 0 and any_found(rows)


def equals(generator: np.random.Generator, runs: int = 5) -> NDArray[np.float64]:
    """One environment with eight baselines, all as good as R2PO."""
    return generator.normal(size=(1, 9, runs))


def test_the_choice_of_the_best_baseline_makes_nothing_worse() -> None:
    count = 1000
    studies = [*map(equals, [np.random.default_rng(2)] * count)]
    ours = [study(values) for values in studies]
    found, worse = np.mean([*map(any_found, ours)]), np.mean([*map(is_worse, ours)])
    published = np.mean([is_worse(study(values, rules=AS_PUBLISHED)) for values in studies])
    assert published > 0.08  # and not the 0.025 that it were with a fixed baseline
    assert worse < 0.025 + error(count)
    assert found < 0.05 + error(count)


def called_worse(runs: int, count: int, rules: Rules | None = None) -> float:
    """Return in how many per cent of studies R2PO is called worse than the best of eight equal baselines."""
    return 100 * rate(count, runs, lambda generator: is_worse(study(equals(generator, runs), rules=rules)))


@pytest.mark.slow
@pytest.mark.parametrize(("place", "runs", "count"), [(0, 3, 5000), (1, 5, 5000), (2, 10, 1500)])
def test_how_often_the_best_of_equal_baselines_makes_us_worse(place: int, runs: int, count: int) -> None:
    number = r"([\d.]+) %"
    text = rf"calls R2PO worse in {number} \(3 runs\), {number} \(5\) and {number} \(10\)"
    uncorrected = told(text)[place]
    corrected = told(rf"of all cases instead of 2\.5 %; corrected, in {number}, {number} and {number}")[place]
    simulated = {"uncorrected": called_worse(runs, count, AS_PUBLISHED), "corrected": called_worse(runs, count)}
    assert off(simulated, {"uncorrected": uncorrected, "corrected": corrected}, count, 0.1) == {}


def test_if_the_best_baseline_is_better_than_the_others_nothing_is_lost() -> None:
    def ahead(generator: np.random.Generator) -> NDArray[np.float64]:
        values = equals(generator)
        values[:, [0, 6]] += 10.0
        return values

    rows = study(ahead(np.random.default_rng(0)))
    assert rows[0].baseline
    assert rows[0].baseline.label == "SB3-PPO"
    better = ahead(np.random.default_rng(0))
    better[:, 0] += 5.0
    (row,) = study(better)
    assert (row.choice, row.chosen_p) == (1, row.p)


def of_seeds(generator: np.random.Generator, runs: int = 6) -> NDArray[np.float64]:
    """One environment; half or more of the variance of a run is that of its seed."""
    return generator.normal(size=(1, 1, runs)) * 1.5 + generator.normal(size=(1, 2, runs))


def test_pairs_reject_as_often_as_they_may() -> None:
    count = 2000
    found = rate(count, 3, lambda generator: any_found(study(of_seeds(generator), seeded=True)))
    never = Rules(pairing=False)
    welch = rate(count, 3, lambda generator: any_found(study(of_seeds(generator), rules=never, seeded=True)))
    assert found == pytest.approx(0.05, abs=error(count))
    assert welch < 0.02  # which is what it costs to count the seeds as noise


def test_pairs_find_what_the_seeds_hide() -> None:
    def better(generator: np.random.Generator) -> NDArray[np.float64]:
        values = of_seeds(generator)
        values[:, 0] += 2.0
        return values

    found = rate(200, 4, lambda generator: any_found(study(better(generator), seeded=True)))
    hidden = rate(200, 4, lambda generator: any_found(study(better(generator))))
    assert found > hidden + 0.2


def covered(runs: int, shift: float, count: int) -> float:
    """Return how often the interval of the probability of improvement of pairs holds the true one.

    Half of the variance is that of the seed.
    """
    truth = stats.norm.cdf(shift / 2**0.5)

    def is_covered(generator: np.random.Generator) -> bool:
        values = (generator.normal(size=(1, 1, runs)) + generator.normal(size=(1, 2, runs))) / 2**0.5
        values[:, 0] += shift
        (row,) = study(values, seeded=True)
        assert row.effect is not None
        return bool(row.effect.improvement.low <= truth <= row.effect.improvement.high)

    return rate(count, 6, is_covered)


@pytest.mark.parametrize(("runs", "shift"), [(5, 1.0), (10, 1.0), (10, 2.0), (10, 3.0)])
def test_the_probability_of_improvement_of_pairs_is_covered(runs: int, shift: float) -> None:
    """Also where nearly all runs are better, so that a bootstrap of theirs has next to no width."""
    assert covered(runs, shift, 60) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("runs", [5, 10])
def test_how_often_the_probability_of_improvement_of_pairs_is_covered(runs: int) -> None:
    *few, low, high = told(r"for differences from 0 to 3: (\d+) to (\d+) % with 5, (\d+) to (\d+) % with 10\)")
    lowest, highest = few if runs == 5 else (low, high)
    count = 400
    found = [100 * covered(runs, shift, count) for shift in (0.0, 1.0, 2.0, 3.0)]
    assert min(found) == pytest.approx(lowest, abs=margin(lowest, count) + 0.5)
    assert max(found) == pytest.approx(highest, abs=margin(highest, count) + 0.5)


def sign_flips_reject(generator: np.random.Generator) -> bool:
    (row,) = study(of_seeds(generator), seeded=True)
    return row.permutation is not None and row.permutation.p <= 0.05


@pytest.mark.slow
def test_sign_flips_reject_as_often_as_they_may() -> None:
    # Of 64 choices of signs two are at most 0.05: at six pairs 2/64 of all cases.
    assert rate(2000, 5, sign_flips_reject) == pytest.approx(2 / 64, abs=3 * (2 / 64 / 2000) ** 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["best", "all"])
@pytest.mark.parametrize("runs", [2, 3, 5])
@pytest.mark.parametrize("kind", ["normal", "coins", "skewed", "unequal spreads"])
def test_studies_of_ten_environments_hold_their_level(mode: Mode, runs: int, kind: str) -> None:
    def draw(generator: np.random.Generator) -> NDArray[np.float64]:
        shape = (10, 4, runs)
        if kind == "coins":
            return generator.integers(0, 2, size=shape).astype(np.float64)
        if kind == "skewed":
            return -generator.exponential(size=shape)
        return generator.normal(size=shape) * (np.array([3.0, 1, 1, 1])[:, None] if kind != "normal" else 1.0)

    count = 500
    # In `all` mode each family is one; ProPS stands for the others.
    found = rate(
        count,
        runs,
        lambda generator: any_found(
            [
                row
                for row in study(draw(generator), mode)
                if mode == "best" or (row.baseline and row.baseline.method == "props")
            ]
        ),
    )
    # A group without variance beside one with some: Welch's test of two values is a little lax there.
    assert found < 0.05 + error(count)
