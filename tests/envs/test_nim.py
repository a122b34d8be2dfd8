"""Nim's rules, restated."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from r2po.envs.nim import NimEnv


@lru_cache(None)
def wins(sticks: int) -> bool:
    """Whether the player to move wins, by exhaustive search; with no stick left the other took the last one: a win."""
    return sticks == 0 or any(not wins(sticks - take) for take in (1, 2, 3) if take <= sticks)


def winning_moves(sticks: int) -> set[int]:
    return {take for take in (1, 2, 3) if take <= sticks and not wins(sticks - take)}


def after(sticks: int, action: int, seed: int = 0) -> tuple[int, float, bool]:
    """Play one move with so many sticks on the table."""
    env = NimEnv()
    env.reset(seed=seed)
    env.sticks = sticks
    left, reward, terminated, truncated, _ = env.step(action)
    assert not truncated
    return left, reward, terminated


def test_spaces_and_start() -> None:
    env = gymnasium.make("Nim-v0")
    assert env.observation_space == spaces.Discrete(11)
    assert env.action_space == spaces.Discrete(3, start=1)
    assert env.reset(seed=0)[0] == 10
    assert env.spec is not None
    assert env.spec.max_episode_steps is None


@pytest.mark.parametrize("sticks", range(1, 11))
@pytest.mark.parametrize("action", [1, 2, 3])
def test_every_move(sticks: int, action: int) -> None:
    if action > sticks:
        assert after(sticks, action) == (sticks, -1.0, True)
        return
    left = sticks - action
    if left == 0:
        assert after(sticks, action) == (0, -1.0, True)
        return
    replies = {left - after(sticks, action, seed)[0] for seed in range(60)}
    if winning_moves(left):
        assert replies == winning_moves(left) == {(left - 1) % 4}
    else:
        assert replies == {take for take in (1, 2, 3) if take <= left}
    for seed in range(5):
        after_reply, reward, terminated = after(sticks, action, seed)
        assert (reward, terminated) == ((1.0, True) if after_reply == 0 else (0.0, False))


def test_lost_opponent_moves_uniformly() -> None:
    replies = Counter(9 - after(10, 1, seed)[0] for seed in range(3000))
    assert set(replies) == {1, 2, 3}
    assert all(900 < count < 1100 for count in replies.values())


def test_leaving_one_stick_wins() -> None:
    assert after(2, 1) == (0, 1.0, True)
    assert after(4, 3) == (0, 1.0, True)


def game_return(table: dict[int, int], seed: int) -> float:
    env = gymnasium.make("Nim-v0")
    state, _ = env.reset(seed=seed)
    total, over = 0.0, False
    while not over:
        state, reward, over, _, _ = env.step(table[int(state)])
        total += float(reward)
    return total


def test_optimal_table_always_wins() -> None:
    table = {sticks: min(winning_moves(sticks), default=1) for sticks in range(11)}
    assert table[10] == 1
    assert {game_return(table, seed) for seed in range(300)} == {1.0}


def test_some_tables_lose_and_returns_are_plus_or_minus_one() -> None:
    rng = np.random.default_rng(0)
    returns = [game_return({sticks: int(rng.integers(1, 4)) for sticks in range(11)}, seed) for seed in range(300)]
    assert set(returns) == {1.0, -1.0}


def test_no_first_move_but_one_stick_can_win_by_force() -> None:
    assert winning_moves(10) == {1}
    for first in (2, 3):
        # The opponent then never leaves its winning path.
        left, reward, over = after(10, first)
        while not over:
            assert not wins(left)
            left, reward, over = after(left, 1)
        assert reward == -1.0


def test_text_and_picture_count_the_sticks() -> None:
    env = gymnasium.make("Nim-v0", render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "10 sticks: ||||||||||\n"
    env.step(3)  # leaves 7; the opponent takes 2
    assert env.render() == " 5 sticks: |||||.....\n"
    drawn: Any = NimEnv(render_mode="rgb_array")
    drawn.reset(seed=0)
    full = drawn.render()
    assert len({tuple(full[245, 55 + 50 * index]) for index in range(10)}) == 1
    drawn.step(3)
    sticks = [tuple(drawn.render()[245, 55 + 50 * index]) for index in range(10)]
    assert sticks[:5] == [sticks[0]] * 5
    assert sticks[7:] == [sticks[9]] * 3, "the agent's three"
    assert sticks[5:7] == [sticks[5]] * 2, "the opponent's two"
    assert len(set(sticks)) == 3
