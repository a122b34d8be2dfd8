"""What is read from the K returns of an evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_rollout, make_rollouts


@pytest.mark.parametrize(
    ("returns", "index"),
    [
        ([3.0], 0),
        ([5.0, 1.0, 3.0], 2),
        ([1.0, 2.0], 0),  # median 1.5: both are as close
        ([2.0, 1.0], 0),
        ([4.0, 1.0, 3.0, 2.0], 2),  # median 2.5: 3 and 2 are as close
        ([7.0, 7.0, 7.0], 0),
        ([0.0, 10.0, 0.0, 10.0, 4.0], 4),
        ([-1.0, -1.0, 1.0, 1.0], 0),
        ([0.0, 100.0, 49.0, 52.0], 2),  # median 50.5, mean 50.25
    ],
)
def test_the_median_rollout(returns: list[float], index: int) -> None:
    assert make_rollouts(returns).median_index == index


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_the_median_rollout_is_the_first_of_the_closest(returns: list[float]) -> None:
    rollouts = make_rollouts(returns)
    distances = [abs(value - float(np.median(returns))) for value in returns]
    assert rollouts.median_index == distances.index(min(distances))
    assert rollouts.closest_to(returns[-1]) == returns.index(returns[-1])


def test_the_closest_rollout_to_the_mean_is_another() -> None:
    rollouts = make_rollouts([0.0, 0.0, 1.0, 100.0, 20.0])
    assert rollouts.median_index == 2
    assert rollouts.closest_to(rollouts.mean) == 4


def test_the_return_is_the_plain_sum_in_order() -> None:
    # No compensation for rounding, whatever the Python version: the 1 is lost.
    assert make_rollout([1e16, 1.0, -1e16, 0.1]).total == 0.1
    assert make_rollouts([1.0, 2.0, 6.0]).mean == 3.0


def test_a_sequence_of_rollouts() -> None:
    rollouts = make_rollouts([1.0, 2.0, 3.0])
    assert [rollout.total for rollout in rollouts] == [1.0, 2.0, 3.0]
    assert rollouts[-1].total == 3.0
    assert [rollout.total for rollout in rollouts[1:]] == [2.0, 3.0]
    assert rollouts.lengths.tolist() == [1, 1, 1]
