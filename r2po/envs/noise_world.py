"""noise_world: boards whose cells are noisy, each in its own way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction
from numpy.typing import NDArray

from r2po.envs.drawing import BLUE, GREEN, INK, PAPER, RED, DrawnEnv, Image, canvas, draw_bar, draw_rectangle, tint

FIRM, STICKY, SPRINGY, TRAP, GOAL, FIRST_KEY, SECOND_KEY = range(7)
"""Codes of cells. The first three are free cells of three kinds."""

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Row and column that each action adds: up, down, left, right."""

STAY_PROBABILITY = 0.25
"""How likely a move from a sticky cell stays where it is."""
JUMP_PROBABILITY = 0.05
"""How likely a move from a springy cell leads to the start."""

_SHARES = (0.5, 0.2, 0.15, 0.15)  # of firm, sticky and springy cells and traps
_GOLD = (214, 170, 60)
_COLORS = (PAPER, tint(BLUE, 0.25), tint(_GOLD, 0.35), RED, tint(GREEN, 0.8), _GOLD, tint(INK, 0.5))


@dataclass(frozen=True)
class Board:
    """A board of n x n cells. A cell's number is n * row + column.

    Attributes:
        size: n, cells per side.
        codes: n * n codes of cells, row by row.
        start: Number of the cell where episodes start; it is firm.
        stops: Numbers of the cells to visit in order: the keys, if there are any, and the goal.
    """

    size: int
    codes: tuple[int, ...]
    start: int
    stops: tuple[int, ...]

    def neighbour(self, cell: int, action: int) -> int:
        """Return where a move leads that meets no noise; at the edge of the board it stays."""
        row, column = cell // self.size + MOVES[action][0], cell % self.size + MOVES[action][1]
        return self.size * row + column if 0 <= row < self.size and 0 <= column < self.size else cell


def make_board(size: int, board_seed: int, *, keys: bool) -> Board:
    """Draw the board of a size and a seed: the first one of its random numbers on which all stops can be reached.

    Start and goal are at least n moves apart, and a route through all stops touches no trap.
    """
    rng = np.random.default_rng([size, board_seed, int(keys)])
    while True:
        codes = rng.choice(4, size * size, p=_SHARES).tolist()
        start, *stops = rng.choice(size * size, 4 if keys else 2, replace=False).tolist()
        codes[start] = FIRM
        for stop, code in zip(reversed(stops), (GOAL, SECOND_KEY, FIRST_KEY), strict=False):
            codes[stop] = code
        board = Board(size, tuple(codes), start, tuple(stops))
        if _far(board) and all(_reaches(board, one, other) for one, other in zip([start, *stops], stops, strict=False)):
            return board


def _far(board: Board) -> bool:
    (row, column), (goal_row, goal_column) = (divmod(cell, board.size) for cell in (board.start, board.stops[-1]))
    return abs(row - goal_row) + abs(column - goal_column) >= board.size


def _reaches(board: Board, cell: int, target: int) -> bool:
    """Return whether moves lead from one cell to another without touching a trap."""
    seen, waiting = {cell}, deque([cell])
    while waiting:
        here = waiting.popleft()
        for action in range(len(MOVES)):
            there = board.neighbour(here, action)
            if there not in seen and board.codes[there] != TRAP:
                seen.add(there)
                waiting.append(there)
    return target in seen


class NoiseWorldEnv(DrawnEnv):
    """Walk to the goal of a board and into no trap.

    Observation, float64: row and column of the agent and of the goal, each divided by n - 1; the code of each cell,
    row by row; on boards with keys, whether the first and the second key were found in this order (0 or 1 each).
    Actions: 0 up, 1 down, 2 left, 3 right. A move from a firm cell, the goal or a key is certain; one from a sticky
    cell may stay, and one from a springy cell may lead to the start. Each step costs 1. The goal gives n**3 and ends
    the episode; on boards with keys it is a firm cell until both were found in order. A trap costs n**5 and ends the
    episode. The limit of n**2 steps is given where the environment is registered. ``info["success"]`` says whether the
    goal was reached. Only moves are random: the board depends on the arguments alone.

    Args:
        size: n, cells per side, at least 3.
        board_seed: Which board of this size, at least 0.
        keys: Whether two keys have to be found first.

    Raises:
        ValueError: ``size`` or ``board_seed`` is not an integer or too small.
    """

    metadata = {"render_modes": ["rgb_array", "ansi", "human"], "render_fps": 8}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self, size: int = 5, board_seed: int = 0, *, keys: bool = False, render_mode: str | None = None
    ) -> None:
        super().__init__(render_mode)
        for name, value, least in (("size", size, 3), ("board_seed", board_seed, 0)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")
        self.board = make_board(size, board_seed, keys=keys)
        self.cell = self.board.start
        self.progress = 0
        """How many stops were visited in order."""
        high = [1.0] * 4 + [float(SECOND_KEY)] * size**2 + [1.0] * (2 if keys else 0)
        self.observation_space = spaces.Box(np.zeros(len(high)), np.array(high), dtype=np.float64)
        self.action_space = spaces.Discrete(len(MOVES))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Go back to the start, with no key."""
        super().reset(seed=seed, options=options)
        self.cell, self.progress = self.board.start, 0
        if self.render_mode == "human":
            self.render()
        return self._observation(), {"success": False}

    def step(self, action: int) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        """Move by one cell, if the cell lets you."""
        if not 0 <= action < len(MOVES):
            raise InvalidAction(f"a move is 0 up, 1 down, 2 left or 3 right, not {action!r}")
        self.cell = self._moved(int(action))
        stops = self.board.stops
        if self.progress < len(stops) and self.cell == stops[self.progress]:
            self.progress += 1
        arrived, trapped = self.progress == len(stops), self.board.codes[self.cell] == TRAP
        reward = -1.0 + arrived * self.board.size**3 - trapped * self.board.size**5
        if self.render_mode == "human":
            self.render()
        return self._observation(), reward, arrived or trapped, False, {"success": arrived}

    def _moved(self, action: int) -> int:
        kind = self.board.codes[self.cell]
        if kind == STICKY and self.np_random.random() < STAY_PROBABILITY:
            return self.cell
        if kind == SPRINGY and self.np_random.random() < JUMP_PROBABILITY:
            return self.board.start
        return self.board.neighbour(self.cell, action)

    def _observation(self) -> NDArray[np.float64]:
        size, stops = self.board.size, self.board.stops
        places = np.array([*divmod(self.cell, size), *divmod(stops[-1], size)]) / (size - 1)
        flags = [float(self.progress > number) for number in range(len(stops) - 1)]
        return np.array([*places, *self.board.codes, *flags])

    def text(self) -> str:
        """Draw the board in characters: A the agent, G the goal, x traps, ~ sticky, ^ springy cells, 1 and 2 keys."""
        marks = ["A" if cell == self.cell else ".~^xG12"[code] for cell, code in enumerate(self.board.codes)]
        size = self.board.size
        return "".join(" ".join(marks[size * row : size * (row + 1)]) + "\n" for row in range(size))

    def picture(self) -> Image:
        """Draw the board, some 480 pixels wide: the agent a disc, traps red, the goal green, keys gold and grey."""
        size = self.board.size
        side = max(480 // size, 8)
        image = canvas(size * side, size * side, tint(INK, 0.3))
        for cell, code in enumerate(self.board.codes):
            row, column = divmod(cell, size)
            draw_rectangle(image, side * column + 1, side * row + 1, side - 2, side - 2, _COLORS[code])
        row, column = divmod(self.cell, size)
        centre = side * (column + 0.5), side * (row + 0.5)
        draw_bar(image, centre, centre, 0.28 * side, BLUE)
        return image
