from __future__ import annotations

import math

import pytest

from r2po.report.space import policy_space


def test_points_on_a_line_lie_on_the_first_axis() -> None:
    space = policy_space([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]], [])
    assert space is not None
    assert space["candidates"] == [[-5.0, 0.0], [0.0, 0.0], [5.0, 0.0]]
    assert space["shares"] == [1.0, 0.0]


def test_only_distinct_candidates_settle_the_axes() -> None:
    few = policy_space([[0.0, 0.0], [2.0, 0.0]], [[1.0, 50.0]])
    many = policy_space([[0.0, 0.0]] * 9 + [[2.0, 0.0]], [[1.0, 50.0]])
    assert few is not None
    assert many is not None
    assert few["candidates"] == [[-1.0, 0.0], [1.0, 0.0]]
    assert many["candidates"][-1] == [1.0, 0.0]
    assert few["warmup"][0][0] == 0.0


def test_axes_point_where_their_largest_loading_is_positive() -> None:
    forth = policy_space([[0.0, 1.0], [0.0, -3.0]], [])
    back = policy_space([[0.0, -3.0], [0.0, 1.0]], [])
    assert forth is not None
    assert back is not None
    assert forth["candidates"] == back["candidates"][::-1] == [[2.0, 0.0], [-2.0, 0.0]]


@pytest.mark.parametrize("tried", [[], [[1.0, 2.0]], [[1.0], [1.0]], [[1.0], [1.0, 2.0]], [[math.inf], [1.0]]])
def test_there_may_be_no_plane(tried: list[list[float]]) -> None:
    assert policy_space(tried, []) is None
