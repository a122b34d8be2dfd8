"""How often a race drops what is as good as the leader, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
import pytest
from scipy import stats

from r2po.analysis.statistics.arrays import Floats
from r2po.analysis.statistics.race import Standing, hopeless, standings

ERROR = 0.05
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(sigma=1.0, size=shape),
    "exponential, negative": lambda rng, shape: -rng.exponential(size=shape),
    "t with 3 degrees": lambda rng, shape: rng.standard_t(3, size=shape),
    "one in ten": lambda rng, shape: (rng.random(shape) < 0.1).astype(float),
    "nine in ten": lambda rng, shape: (rng.random(shape) < 0.9).astype(float),
    "half": lambda rng, shape: (rng.random(shape) < 0.5).astype(float),
    "at the bound or far below": lambda rng, shape: np.where(
        rng.random(shape) < 0.7, 500.0, rng.uniform(0, 300, shape)
    ),
}


def dropped(draw: Draw, groups: int, looks: tuple[int, ...], trials: int, gap: float = 0.0) -> float:
    """Return in what share of races any group is dropped; the first one is better than all others by a gap."""
    rng, number = np.random.default_rng(7), 0
    for _ in range(trials):
        values = draw(rng, (groups, looks[-1]))
        values[0] += gap
        number += any(hopeless(standings(list(values[:, :seeds]), ERROR, groups * len(looks))) for seeds in looks)
    return number / trials


@pytest.mark.parametrize("name", ["normal", "one in ten"])
def test_equal_groups_are_seldom_parted(name: str) -> None:
    # Three standard errors of a share of 5 % in 400 races are 3.3 %.
    assert dropped(DRAWS[name], 4, (3, 5), 400) <= ERROR + 0.033


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize(
    ("groups", "looks"), [(2, (3,)), (2, (5,)), (4, (5,)), (10, (5,)), (10, (3, 5, 8)), (4, (20,))]
)
def test_equal_groups_are_seldom_parted_whatever_the_values(name: str, groups: int, looks: tuple[int, ...]) -> None:
    share = dropped(DRAWS[name], groups, looks, 4000)
    assert share <= 0.01  # docs/statistics.md says 0.005


def test_what_is_far_behind_is_dropped() -> None:
    assert dropped(DRAWS["normal"], 4, (5,), 200, gap=8.0) > 0.9


def test_an_experiment_that_lives_on_rare_large_returns_is_not_safe() -> None:
    """What docs/statistics.md warns of."""
    rng, number = np.random.default_rng(1), 0
    for _ in range(300):
        rare, steady = 100.0 * (rng.random(5) < 0.1), rng.normal(10.0, 1.0, size=5)
        number += bool(hopeless(standings([rare, steady], ERROR, 2)))
    assert 0.5 < number / 300 < 0.7


def test_the_intervals_are_those_of_student_with_the_larger_spread() -> None:
    one, two = [1.0, 2.0, 3.0, 4.0], [10.0, 10.0, 10.0, 11.0]
    pooled = np.sqrt((np.var(one, ddof=1) + np.var(two, ddof=1)) / 2)
    found = standings([one, two], 0.05, 2)
    for values, spread, each in ((one, np.std(one, ddof=1), found[0]), (two, pooled, found[1])):
        low, high = stats.t.interval(0.975, 3, loc=np.mean(values), scale=spread / 2)
        assert (each.mean, each.low, each.high) == pytest.approx((np.mean(values), low, high))


def test_equal_values_have_no_interval_of_no_width() -> None:
    (one, two) = standings([[0.0] * 5, [1.0] * 5], 0.05, 2)
    assert (one.low, one.high) == (-inf, inf)
    assert hopeless([one, two]) == []


def test_only_what_lies_below_the_leader_is_hopeless() -> None:
    found = [Standing(5.0, 4.0, 6.0), Standing(3.5, 2.0, 4.0), Standing(1.0, 0.0, 3.9), Standing(4.9, 0.0, 9.0)]
    assert hopeless(found) == [2]


@pytest.mark.parametrize("groups", [[[1.0], [1.0, 2.0]], [[1.0, float("nan")], [1.0, 2.0]]])
def test_too_few_values_and_such_as_are_none_are_refused(groups: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="race"):
        standings(groups, 0.05, 2)


@pytest.mark.parametrize(("low", "high", "runs"), [(0.1, 0.3, 3), (0.6, 0.7, 6), (-0.75, -0.7, 7)])
def test_if_nothing_varies_but_by_rounding_nothing_is_known(low: float, high: float, runs: int) -> None:
    summed_otherwise = [high, *[high * (1 + 1e-15)] * (runs - 1)]
    for values in ([high] * runs, summed_otherwise):
        found = standings([[low] * runs, values], ERROR, 2)
        assert [each.high for each in found] == [inf, inf]
        assert hopeless(found) == []
