"""Which runs of a cluster are told to give their places to others, and how many."""

from __future__ import annotations

import pytest

from r2po.sweep.cluster.giving_way import GivingWay


@pytest.fixture
def giving_way() -> GivingWay:
    made = GivingWay()
    for run in range(6):
        made.began(run)
    return made


def test_as_many_give_way_as_others_find_no_place(giving_way: GivingWay) -> None:
    under_way = range(6)
    assert giving_way.who({"dead": [0, 1, 2, 3]}, under_way, 1, 6) == (3,)
    assert giving_way.who({"dead": [0, 1, 2, 3]}, under_way, 1, 6) == ()  # it is on its way
    assert giving_way.who({"dead": [0, 1, 2, 3]}, under_way, 3, 6) == (2, 1)
    assert giving_way.who({"dead": [0, 1, 2, 3]}, under_way, 9, 6) == ()  # the first one asks for all


def test_nobody_gives_way_while_there_is_room_or_nobody_waits(giving_way: GivingWay) -> None:
    assert giving_way.who({"dead": [0, 1, 2]}, range(6), 0, 6) == ()
    assert giving_way.who({"dead": [0, 1, 2]}, range(6), 2, 8) == ()
    assert giving_way.who({"dead": [0, 1, 2]}, range(6), 3, 8) == (2,)


def test_runs_that_have_ended_meanwhile_do_not(giving_way: GivingWay) -> None:
    assert giving_way.who({"dead": [4, 5]}, [0, 1], 5, 2) == ()
    assert giving_way.who({"dead": [0, 1, 5]}, [0, 1, 2], 5, 3) == (1,)


def test_a_run_that_has_given_way_may_do_so_again(giving_way: GivingWay) -> None:
    assert giving_way.who({"dead": [0, 5]}, range(6), 1, 6) == (5,)
    assert giving_way.ended(5)
    assert not giving_way.ended(5)
    assert not giving_way.ended(0)
    giving_way.began(5)
    assert giving_way.who({"dead": [0, 5]}, range(6), 1, 6) == (5,)
