"""Policies of a few lines reach on the ten environments what is known of them, through the wall."""

from __future__ import annotations

import pytest

from r2po.rollout import Rollouts
from r2po.tasks import PUBLISHED
from tests.tasks.hand_written import REACHED, SOURCES, Reached, roll_out


def assert_reached(rollouts: Rollouts, reached: Reached) -> None:
    """Compare within three standard errors and the rounding of the figure."""
    error = float(rollouts.returns.std(ddof=1)) / len(rollouts) ** 0.5
    assert abs(rollouts.mean - reached.mean) <= 3 * error + reached.rounding + 1e-9, rollouts.mean


def test_there_is_one_for_each_and_of_few_lines() -> None:
    assert set(SOURCES) == set(REACHED) == set(PUBLISHED)
    assert all(len(source.strip().splitlines()) <= 15 for source in SOURCES.values())


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_reaches_what_is_known(name: str) -> None:
    assert_reached(roll_out(name, REACHED[name].episodes), REACHED[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, reached in REACHED.items() if 5 < reached.episodes < 100])
def test_it_reaches_what_is_known_in_a_hundred_episodes(name: str) -> None:
    assert_reached(roll_out(name, 100), REACHED[name])
