"""noise_world: the facts of its boards, their noise, and that each can be solved."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import gymnasium
import numpy as np
import pytest

from r2po.envs.making import make
from r2po.envs.noise_world import NoiseWorldEnv, make_board
from r2po.tasks import TASKS
from tests.tasks.optimal import board_of, noise_world_policy, solve

NUMBERS = range(7)


def environment(number: int) -> Any:
    return make(f"r2po/NoiseWorld{number}-v0")


@pytest.mark.parametrize("number", NUMBERS)
def test_the_facts_of_a_board(number: int) -> None:
    env = environment(number)
    side, keyed = (5 if number == 0 else 10), number >= 4
    assert env.spec.max_episode_steps == side**2
    assert env.action_space == gymnasium.spaces.Discrete(4)
    observation, info = env.reset(seed=0)
    assert len(observation) == 4 + side**2 + 2 * keyed
    assert info == {"success": False}
    board = env.unwrapped.board
    kinds = Counter(board.codes)
    assert all(kinds[kind] > 0 for kind in range(4))
    assert [kinds[kind] for kind in (4, 5, 6)] == [1, int(keyed), int(keyed)]
    assert [board.codes[stop] for stop in board.stops] == ([5, 6, 4] if keyed else [4])
    places = [*divmod(board.start, side), *divmod(board.stops[-1], side)]
    assert observation[:4] == pytest.approx([place / (side - 1) for place in places])
    assert observation[4 : 4 + side**2].tolist() == list(board.codes)
    assert observation[4 + side**2 :].tolist() == [0.0, 0.0] * keyed


def test_boards_differ_and_depend_on_their_arguments_alone() -> None:
    boards = [board_of(TASKS[f"noise_world_{number}"]) for number in NUMBERS]
    assert len({board.codes for board in boards}) == len(boards)
    np.random.seed(7)  # noqa: NPY002 - the global state is what must not matter
    assert make_board(10, 3, keys=False) == boards[3]
    assert make_board(10, 5, keys=True) == boards[5]
    # As on every machine: the first rows of two boards.
    assert boards[0].codes[:5] == (2, 2, 4, 0, 0)
    assert boards[6].codes[:10] == (4, 0, 2, 2, 0, 0, 1, 0, 0, 0)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_best_mean_return_is_positive_and_the_cards_target(number: int) -> None:
    task = TASKS[f"noise_world_{number}"]
    best, _ = solve(board_of(task))
    assert best > 0
    assert task.optimum == math.floor(best + 1e-9)
    assert task.optimum is not None
    assert task.conservative_threshold is not None
    assert task.conservative_threshold < task.optimum


@pytest.mark.parametrize("number", [0, 2, 5])
def test_the_best_policy_returns_what_value_iteration_says(number: int) -> None:
    task = TASKS[f"noise_world_{number}"]
    best, _ = solve(board_of(task))
    env = environment(number)
    returns = []
    for seed in range(100):
        act = noise_world_policy(task)
        observation, _ = env.reset(seed=seed)
        total, over, info = 0.0, False, {}
        while not over:
            observation, reward, terminated, truncated, info = env.step(act(observation))
            total, over = total + reward, terminated or truncated
        assert info["success"] is (total > 0)
        returns.append(total)
    assert abs(np.mean(returns) - best) <= 3 * np.std(returns, ddof=1) / 10 + 1e-9


def place(env: NoiseWorldEnv, code: int) -> int:
    """Put the agent on the first cell of a kind whose four neighbours are inside of the board."""
    size = env.board.size
    inner = [size * row + column for row in range(1, size - 1) for column in range(1, size - 1)]
    env.cell = next(cell for cell in inner if env.board.codes[cell] == code)
    return env.cell


@pytest.mark.parametrize(("code", "kept", "elsewhere"), [(0, 0.0, 0.0), (1, 0.25, 0.0), (2, 0.0, 0.05)])
def test_the_noise_of_a_kind_of_cell(code: int, kept: float, elsewhere: float) -> None:
    env = NoiseWorldEnv(10, 1)
    env.reset(seed=0)
    found: Counter[str] = Counter()
    for _ in range(2000):
        cell = place(env, code)
        env.step(3)
        found["stayed" if env.cell == cell else "jumped" if env.cell == env.board.start else "moved"] += 1
        assert env.cell in (cell, cell + 1, env.board.start)
    for name, probability in (("stayed", kept), ("jumped", elsewhere), ("moved", 1 - kept - elsewhere)):
        assert abs(found[name] / 2000 - probability) <= 4 * math.sqrt(probability * (1 - probability) / 2000)


def enter(env: NoiseWorldEnv, cell: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
    """Move onto a cell from a neighbour from which moves are certain."""
    for action in range(4):
        for neighbour in range(env.board.size**2):
            if env.board.codes[neighbour] in (0, 5, 6) and env.board.neighbour(neighbour, action) == cell != neighbour:
                env.cell = neighbour
                return env.step(action)
    raise AssertionError("no neighbour is firm")


def test_rewards_and_ends() -> None:
    env = NoiseWorldEnv(10, 1)
    env.reset(seed=0)
    assert enter(env, env.board.stops[-1])[1:] == (999.0, True, False, {"success": True})
    env.reset(seed=0)
    assert enter(env, env.board.codes.index(3))[1:] == (-100_001.0, True, False, {"success": False})
    env.reset(seed=0)
    env.cell = 0
    assert env.step(0)[1:] == (-1.0, False, False, {"success": False})
    assert env.cell == 0


def test_the_goal_counts_after_both_keys_in_order() -> None:
    env = NoiseWorldEnv(10, 4, keys=True)
    first, second, goal = env.board.stops
    env.reset(seed=0)
    for cell, flags in (
        (goal, [0, 0]),
        (second, [0, 0]),
        (first, [1, 0]),
        (goal, [1, 0]),
        (second, [1, 1]),
        (first, [1, 1]),
    ):
        observation, reward, terminated, _, info = enter(env, cell)
        assert (observation[-2:].tolist(), reward, terminated, info["success"]) == (flags, -1.0, False, False)
    observation, reward, terminated, _, info = enter(env, goal)
    assert (observation[-2:].tolist(), reward, terminated, info["success"]) == ([1, 1], 999.0, True, True)
    assert env.reset(seed=1)[0][-2:].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 2}, "size must be an integer of at least 3, not 2"),
        ({"board_seed": -1}, "board_seed must be"),
        ({"size": True}, "size must be"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NoiseWorldEnv(**arguments)


def test_the_text_shows_the_board() -> None:
    env = NoiseWorldEnv(5, 0, render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "^ ^ G . .\n. . . . x\n~ . . x x\n^ . . ~ .\n~ A x . ~\n"
