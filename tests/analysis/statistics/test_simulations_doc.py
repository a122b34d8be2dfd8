"""docs/statistics.md tells rates that were simulated: they come out again, seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from r2po.analysis.statistics.steps import Steps
from r2po.analysis.statistics.survival import kaplan_meier
from r2po.analysis.statistics.welch import welch
from tests.analysis.statistics.documented import told

STUDIES = 2000
Study = Callable[[np.random.Generator], tuple[NDArray[np.float64], NDArray[np.float64]]]


def rejected(study: Study) -> float:
    """Return in how many of 100 studies Welch's test of the two samples that each gives rejects at 5 %."""
    generators = (np.random.default_rng([number, 11]) for number in range(STUDIES))
    return float(100 * np.mean([welch(*study(generator)).p < 0.05 for generator in generators]))


def incumbents(generator: np.random.Generator, iterations: int, budget: int) -> NDArray[np.float64]:
    """Return the incumbent of each of 10 runs after a budget of iterations: all policies are equally good."""
    rewards = np.maximum.accumulate(generator.normal(size=(10, iterations)), axis=1)
    at = np.arange(1, iterations + 1, dtype=np.float64)
    return np.array([Steps(at, run).at_budget(budget) for run in rewards], dtype=np.float64)


def test_the_longer_method_seems_better_unless_the_budget_is_the_same() -> None:
    """The same noisy rewards, for 20 and for 60 iterations."""

    def at_the_end(generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return incumbents(generator, 20, 20), incumbents(generator, 60, 60)

    def at_the_budget(generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return incumbents(generator, 20, 20), incumbents(generator, 60, 20)

    documented = told(r"best reward better in (\d+) of 100 studies; of the incumbents at 20 iterations, in (\d+)\.")
    assert [round(rejected(at_the_end)), round(rejected(at_the_budget))] == documented


def test_copies_find_what_is_not_there() -> None:
    """Five runs against five of the same distribution, each once or twice."""

    def once(generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return generator.normal(size=5), generator.normal(size=5)

    def twice(generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        first, second = once(generator)
        return np.tile(first, 2), np.tile(second, 2)

    documented = told(r"rejects at 5 % in (\d+) of 100 studies; with each run once, in (\d+)\.")
    assert [round(rejected(twice)), round(rejected(once))] == documented


def test_censored_times() -> None:
    """Exponential times with mean 100, of 4,000 runs, and ends of the same distribution."""
    generator = np.random.default_rng(0)
    times, ends = generator.exponential(100, 4000), generator.exponential(100, 4000)
    observed, reached = np.minimum(times, ends), times <= ends
    documented = told(r"takes (\d+) in the median .* have a median of (\d+); the estimate is (\d+)\.")
    estimate = kaplan_meier(observed, reached).median
    assert estimate is not None
    assert [round(100 * np.log(2)), round(float(np.median(observed[reached]))), round(estimate)] == documented
