"""How many runs a node may have, which node gets the next one, and which runs are given up."""

from __future__ import annotations

from collections import Counter

import pytest

from r2po.sweep.cluster.slots import MOST_LOSSES, Losses, Node, next_node, slots

SMALL, LARGE = Node("a", "10.0.0.1", 1.0), Node("b", "10.0.0.2", 2.0)


@pytest.mark.parametrize(
    ("cpus", "cpus_per_run", "expected"),
    [(16, 0.25, 64), (1, 0.3, 3), (0.3, 0.1, 3), (4, 8, 0), (3, 2, 1), (0, 0.25, 0), (2, 0.7, 2)],
)
def test_a_node_has_as_many_runs_as_fit_into_its_cores(cpus: float, cpus_per_run: float, expected: int) -> None:
    assert slots(cpus, cpus_per_run) == expected


def test_runs_go_where_there_is_most_room_until_there_is_none() -> None:
    under_way = Counter[str]()
    order = []
    while (node := next_node([SMALL, LARGE], under_way, 0.5)) is not None:
        under_way[node.id] += 1
        order.append(node.id)
    assert order[:2] == ["b", "b"]
    assert under_way == {"a": 2, "b": 4}


def test_runs_that_a_smaller_cluster_cannot_have_are_waited_for() -> None:
    assert next_node([SMALL], {"a": 2, "b": 4}, 0.5) is None  # b is lost, or busy with what was begun before
    assert next_node([], {}, 0.5) is None
    assert next_node([SMALL], {"a": 1, "b": 4}, 0.5) == SMALL


def test_a_node_that_rests_gets_no_run() -> None:
    assert next_node([SMALL, LARGE], {}, 0.5, resting={"b"}) == SMALL
    assert next_node([LARGE], {}, 0.5, resting={"b"}) is None


def test_a_run_that_is_lost_again_and_again_without_getting_further_is_given_up() -> None:
    losses = Losses()
    told = [losses.are_too_many(7) for _ in range(MOST_LOSSES + 1)]
    assert told == [False] * MOST_LOSSES + [True]
    assert not losses.are_too_many(8)


def test_a_run_that_gets_further_between_its_losses_is_not_given_up() -> None:
    losses = Losses()
    for iteration in range(1, 3 * MOST_LOSSES):
        losses.progress(7, iteration)
        assert not losses.are_too_many(7)
    for _ in range(MOST_LOSSES - 1):
        losses.progress(7, iteration)  # where it was
        assert not losses.are_too_many(7)
    assert losses.are_too_many(7)
