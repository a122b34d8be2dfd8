"""The maze's rules, restated."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Any

import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.envs.maze import SAMPLES, MazeEnv, Passages, RandomMazeEnv, SampleMazeEnv, carve_maze, decode_masks

SAMPLE_3X3 = {(0, 1), (0, 3), (1, 2), (2, 5), (4, 5), (3, 6), (6, 7), (7, 8)}
NORTH, SOUTH, EAST, WEST = range(4)


def shortest_route(size: int, passages: Passages) -> list[int]:
    """Breadth-first search from the first cell to the last one, on the passages alone."""
    routes = {0: [0]}
    queue = deque([0])
    while queue:
        cell = queue.popleft()
        for pair in passages:
            if cell in pair:
                other = pair[0] if pair[1] == cell else pair[1]
                if other not in routes:
                    routes[other] = [*routes[cell], other]
                    queue.append(other)
    assert len(routes) == size * size, "every cell can be reached"
    return routes[size * size - 1]


def moves(route: list[int], size: int) -> list[int]:
    names = {1: EAST, -1: WEST, size: SOUTH, -size: NORTH}
    return [names[after - before] for before, after in pairwise(route)]


def play(env: gymnasium.Env[Any, Any], actions: list[int]) -> tuple[list[int], list[float], bool]:
    states, rewards, terminated = [env.reset(seed=0)[0]], [], False
    for action in actions:
        state, reward, terminated, _, _ = env.step(action)
        states.append(state)
        rewards.append(float(reward))
    return states, rewards, terminated


def test_sample_decodes_to_its_passages() -> None:
    assert decode_masks(SAMPLES["3x3"]) == SAMPLE_3X3


def test_a_passage_opened_from_either_side_is_open() -> None:
    assert decode_masks([[2, 0], [0, 0]]) == {(0, 1)}  # cell (0, 0) opens east
    assert decode_masks([[0, 0], [8, 0]]) == {(0, 1)}  # cell (1, 0) opens west
    assert decode_masks([[4, 0], [0, 0]]) == {(0, 2)}
    assert decode_masks([[0, 1], [0, 0]]) == {(0, 2)}
    assert decode_masks([[1 | 8, 0], [0, 2 | 4]]) == set(), "openings at the edge lead nowhere"


@pytest.mark.parametrize(("sample", "size"), [("3x3", 3), ("5x5", 5)])
def test_samples_are_perfect_mazes(sample: str, size: int) -> None:
    passages = SampleMazeEnv(sample).passages
    assert len(passages) == size * size - 1
    assert shortest_route(size, passages)


def test_best_route_of_the_sample_and_its_return() -> None:
    env = gymnasium.make("maze-sample-3x3-v0")
    route = shortest_route(3, frozenset(SAMPLE_3X3))
    assert route == [0, 3, 6, 7, 8]
    states, rewards, terminated = play(env, moves(route, 3))
    assert states == route
    assert terminated
    assert sum(rewards) == pytest.approx(1 - 3 * 0.1 / 9)
    assert round(sum(rewards), 4) == 0.9667


@pytest.mark.parametrize("cell", range(8))
@pytest.mark.parametrize("action", range(4))
def test_every_move_of_the_sample(cell: int, action: int) -> None:
    env = SampleMazeEnv("3x3")
    env.reset()
    env.state = cell
    x, y = cell % 3, cell // 3
    x, y = [(x, y - 1), (x, y + 1), (x + 1, y), (x - 1, y)][action]
    target = 3 * y + x
    inside = 0 <= x < 3 and 0 <= y < 3
    is_open = inside and (min(cell, target), max(cell, target)) in SAMPLE_3X3
    state, reward, terminated, truncated, _ = env.step(action)
    assert state == (target if is_open else cell)
    assert terminated == (state == 8)
    assert reward == (1.0 if state == 8 else pytest.approx(-0.1 / 9))
    assert not truncated


@pytest.mark.parametrize("gym_id", ["maze-sample-3x3-v0", "maze-sample-5x5-v0", "maze-random-v0"])
def test_truncates_after_200_steps(gym_id: str) -> None:
    env = gymnasium.make(gym_id)
    env.reset(seed=0)
    for step in range(1, 201):
        state, reward, terminated, truncated, _ = env.step(NORTH)
        assert (state, terminated) == (0, False)
        assert truncated == (step == 200)
    assert reward == -0.1 / int(env.observation_space.n)  # type: ignore[attr-defined]


@given(size=st.integers(2, 12), maze_seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_random_mazes_are_perfect(size: int, maze_seed: int) -> None:
    passages = carve_maze(size, maze_seed)
    assert len(passages) == size * size - 1
    route = shortest_route(size, passages)  # asserts that all cells are connected
    for a, b in passages:
        assert b - a == size or (b - a == 1 and b % size != 0), "a passage joins neighbours"
    env = gymnasium.make("maze-random-v0", size=size, maze_seed=maze_seed, max_episode_steps=size * size)
    states, rewards, terminated = play(env, moves(route, size))
    assert states == route
    assert terminated
    assert sum(rewards) == pytest.approx(1 - (len(route) - 2) * 0.1 / size**2)
    assert sum(rewards) > 0.9


def test_random_layout_depends_on_maze_seed_and_not_on_reset() -> None:
    env = RandomMazeEnv(size=8, maze_seed=1)
    layout = env.passages
    env.reset(seed=99)
    assert env.passages == layout == RandomMazeEnv(size=8, maze_seed=1).passages
    assert RandomMazeEnv(size=8).passages == RandomMazeEnv(size=8, maze_seed=0).passages
    assert len({RandomMazeEnv(size=8, maze_seed=seed).passages for seed in range(20)}) == 20


def test_large_random_maze_is_carved_without_recursion() -> None:
    assert len(carve_maze(60, 0)) == 60 * 60 - 1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"size": 1}, "size must be an integer of at least 2, not 1"),
        ({"size": "5"}, "size must be an integer of at least 2, not '5'"),
        ({"size": 2.5}, "size must be"),
        ({"size": True}, "size must be"),
        ({"maze_seed": -1}, "maze_seed must be an integer of at least 0, not -1"),
    ],
)
def test_bad_random_mazes_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomMazeEnv(**kwargs)


def test_unknown_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3x3, 5x5, not '9x9'"):
        SampleMazeEnv("9x9")


def test_text_shows_walls_agent_and_goal() -> None:
    env = gymnasium.make("maze-sample-3x3-v0", render_mode="ansi")
    env.reset()
    env.step(SOUTH)
    assert env.render() == (
        "+---+---+---+\n|           |\n+   +---+   +\n| A |       |\n+   +---+---+\n|         G |\n+---+---+---+\n"
    )


def test_picture_shows_the_agent_in_its_cell() -> None:
    env = MazeEnv(3, decode_masks(SAMPLES["3x3"]), render_mode="rgb_array")
    env.reset()
    image: Any = env.render()
    blue = image[86, 86].tolist()
    assert blue[2] > blue[0] + 100
    env.step(EAST)
    image = env.render()
    assert image[86, 246].tolist() == blue
    assert image[86, 86].tolist() != blue
