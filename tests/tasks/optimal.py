"""noise_world solved by value iteration over the steps that are left, written from the facts of the boards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2po.envs.making import make
from r2po.envs.noise_world import Board
from r2po.tasks import Task

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def board_of(task: Task) -> Board:
    board: Board = make(task.gym_id).unwrapped.board  # type: ignore[attr-defined]
    return board


def outcomes(board: Board, cell: int, action: int) -> Iterator[tuple[float, int]]:
    """Yield probability and cell of what can come of a move."""
    n = board.size
    row, column = cell // n + MOVES[action][0], cell % n + MOVES[action][1]
    there = n * row + column if 0 <= row < n and 0 <= column < n else cell
    stay = 0.25 if board.codes[cell] == 1 else 0.0
    jump = 0.05 if board.codes[cell] == 2 else 0.0
    yield 1.0 - stay - jump, there
    if stay:
        yield stay, cell
    if jump:
        yield jump, board.start


@cache
def solve(board: Board) -> tuple[float, NDArray[np.int64]]:
    """Return the best mean return, and (n * n, stops, n * n) best actions: steps left - 1, stops visited, cell."""
    n, stops = board.size, len(board.stops)
    values = np.zeros((stops, n * n))
    best = np.zeros((n * n, stops, n * n), np.int64)
    for left in range(n * n):
        new = np.zeros_like(values)
        for visited in range(stops):
            arrival = values[visited].copy()
            target = board.stops[visited]
            arrival[target] = n**3 if visited == stops - 1 else values[visited + 1, target]
            arrival[np.array(board.codes) == 3] = -(n**5)
            for cell in range(n * n):
                gains = [sum(p * arrival[to] for p, to in outcomes(board, cell, a)) for a in range(4)]
                best[left, visited, cell] = int(np.argmax(gains))
                new[visited, cell] = -1 + max(gains)
        values = new
    return float(values[0, board.start]), best


def noise_world_policy(task: Task) -> Callable[[Any], int]:
    """Return the best policy for one episode."""
    board = board_of(task)
    _, best = solve(board)
    left = board.size**2

    def act(observation: Any) -> int:
        nonlocal left
        left -= 1
        row, column = (round(float(value) * (board.size - 1)) for value in observation[:2])
        visited = int(sum(observation[4 + board.size**2 :]))
        return int(best[left, visited, board.size * row + column])

    return act
