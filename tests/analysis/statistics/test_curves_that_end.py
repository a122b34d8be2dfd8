"""A curve estimates the same thing all along, also if runs that do badly end early: simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from r2po.analysis.output.lines import Curve
from r2po.analysis.statistics.align import MeanCurve, Series
from r2po.analysis.statistics.welch import welch_of
from r2po.runlog.facts import GREY
from tests.analysis.statistics.documented import margin

RUNS = 10
LENGTH = 12


def drawn(runs: Sequence[Series], *, unbroken: bool = False) -> MeanCurve:
    """Return the line with a band, as figures draw it."""
    return Curve("", GREY, (), series=runs, unbroken=unbroken).shown[0]


def noisy(generator: np.random.Generator) -> list[Series]:
    """Return runs that never change but for noise, around levels of their own with mean 0; all go on to the end."""
    levels = generator.normal(size=(RUNS, 1))
    at = np.arange(1, LENGTH + 1)
    return [Series(at, values, carried=True) for values in levels + 0.1 * generator.normal(size=(RUNS, LENGTH))]


def given_up(runs: Sequence[Series]) -> list[Series]:
    """Return the same runs; those that do badly end half way, unfinished."""
    half = LENGTH // 2
    return [
        Series(run.at[:half], run.values[:half], carried=False) if run.values[half - 1] < 0 else run for run in runs
    ]


def is_told_apart(first: MeanCurve, second: MeanCurve) -> bool:
    """Return whether Welch's test at 5 % finds the ends of two lines to differ."""
    parts = [(float(each.std[-1]) ** 2 / int(each.count[-1]), int(each.count[-1]) - 1) for each in (first, second)]
    test = welch_of(float(first.mean[-1] - second.mean[-1]), parts)
    return test is not None and test.p < 0.05


def compared(count: int, *, unbroken: bool) -> tuple[float, float, float]:
    """Compare a method whose bad runs end early with an equal one whose runs all go on.

    Returns:
        The mean of the values at which the line of the former ends, its standard error, and in how many per cent of
        studies the two lines end apart.
    """
    generator = np.random.default_rng(7)
    ends, apart = [], 0
    for _ in range(count):
        line = drawn(given_up(noisy(generator)), unbroken=unbroken)
        ends.append(float(line.mean[-1]))
        apart += is_told_apart(line, drawn(noisy(generator), unbroken=unbroken))
    return float(np.mean(ends)), float(np.std(ends, ddof=1) / count**0.5), 100 * apart / count


def check(count: int) -> None:
    value, error, apart = compared(count, unbroken=False)
    assert abs(value) < 3 * error
    assert apart == pytest.approx(5.0, abs=margin(5.0, count))
    # A line that goes on shows those that are left: half of them, those above 0, whose mean is that of a half-normal.
    value, error, apart = compared(count, unbroken=True)
    assert value == pytest.approx((2 / np.pi) ** 0.5, abs=3 * error + 0.02)
    assert apart > 25


def test_lines_end_where_they_should() -> None:
    check(400)


@pytest.mark.slow
def test_lines_end_where_they_should_in_many_studies() -> None:
    check(20_000)


def test_the_sample_of_a_line_is_one() -> None:
    line = drawn(given_up(noisy(np.random.default_rng(0))))
    assert set(line.count.tolist()) == {RUNS}
    assert line.grid[-1] == LENGTH // 2
