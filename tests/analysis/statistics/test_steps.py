"""A value that is held until the next one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.analysis.statistics.steps import Steps

RUN = Steps(np.array([10.0, 20.0, 40.0]), np.array([1.0, 3.0, 2.0]))


def test_at_a_budget() -> None:
    assert [RUN.at_budget(budget) for budget in (9, 10, 19.9, 20, 39, 40, 1000)] == [None, 1, 1, 3, 3, 2, 2]


def test_mean_up_to_a_budget_by_hand() -> None:
    assert RUN.mean_to(50, before=-1) == pytest.approx((10 * -1 + 10 * 1 + 20 * 3 + 10 * 2) / 50)
    assert RUN.mean_to(20, before=0) == pytest.approx(0.5)
    assert RUN.mean_to(5, before=-1) == -1


def test_first_time_that_it_is_enough() -> None:
    assert [RUN.first_at_least(target) for target in (0.5, 1, 1.5, 3, 3.5)] == [10, 10, 20, 20, None]
    assert Steps(np.array([1.0]), np.array([0.1 + 0.2])).first_at_least(0.3) == 1
    assert Steps(np.array([1.0]), np.array([0.3])).first_at_least(0.1 + 0.2) == 1, "equal up to rounding is enough"


def test_what_costs_nothing_is_there_at_once() -> None:
    free = Steps(np.zeros(3), np.array([1.0, 2.0, 5.0]))
    assert (free.at_budget(0), free.spent, free.first_at_least(2)) == (5.0, 0.0, 0.0)


runs = st.lists(st.tuples(st.integers(1, 30), st.floats(-5, 5)), min_size=1, max_size=8)


@given(runs, st.integers(1, 200), st.floats(-5, 5))
def test_the_mean_is_that_over_all_points(steps: list[tuple[int, float]], budget: int, before: float) -> None:
    run = Steps(np.cumsum([float(width) for width, _ in steps]), np.array([value for _, value in steps]))
    values = [run.at_budget(point) for point in range(budget)]
    expected = np.mean([before if value is None else value for value in values])
    assert run.mean_to(budget, before) == pytest.approx(expected, abs=1e-9)
