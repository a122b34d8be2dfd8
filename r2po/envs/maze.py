"""Mazes: find the goal in a grid whose walls are not observed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction

from r2po.envs.drawing import BLUE, GREEN, INK, PAPER, DrawnEnv, Image, canvas, draw_bar, draw_rectangle, tint

Passages: TypeAlias = frozenset[tuple[int, int]]
"""Pairs (a, b), a < b, of neighbouring cells with no wall between them; a cell's number is width * y + x."""

NORTH, SOUTH, EAST, WEST = range(4)
_STEPS = {NORTH: (0, -1), SOUTH: (0, 1), EAST: (1, 0), WEST: (-1, 0)}
_MASK_BITS = {NORTH: 1, EAST: 2, SOUTH: 4, WEST: 8}

# The sample mazes: per cell, [x][y], the sides that are open.
SAMPLES: dict[str, tuple[tuple[int, ...], ...]] = {
    "3x3": ((2, 1, 1), (2, 2, 8), (4, 8, 8)),
    "5x5": ((2, 4, 1, 2, 1), (4, 4, 8, 4, 2), (8, 1, 1, 1, 1), (2, 4, 4, 4, 8), (4, 8, 1, 1, 1)),
}


def neighbour(cell: int, direction: int, size: int) -> int | None:
    """Return the cell next to ``cell`` in a direction, or None at the edge of the grid."""
    x, y = cell % size + _STEPS[direction][0], cell // size + _STEPS[direction][1]
    return size * y + x if 0 <= x < size and 0 <= y < size else None


def decode_masks(masks: Sequence[Sequence[int]]) -> Passages:
    """Return the passages of a square maze given by open sides, bits N 1, E 2, S 4, W 8, indexed [x][y].

    A passage is open if the mask on either side of it opens it.
    """
    size = len(masks)
    passages = set()
    for cell in range(size * size):
        for direction, bit in _MASK_BITS.items():
            other = neighbour(cell, direction, size)
            if other is not None and masks[cell % size][cell // size] & bit:
                passages.add((min(cell, other), max(cell, other)))
    return frozenset(passages)


def carve_maze(size: int, maze_seed: int) -> Passages:
    """Carve a random perfect maze, one with exactly one route between any two cells, by depth-first search."""
    rng = np.random.default_rng(maze_seed)
    trail = [0]
    visited = {0}
    passages = set()
    while trail:
        cell = trail[-1]
        around = (neighbour(cell, direction, size) for direction in _STEPS)
        unvisited = [other for other in around if other is not None and other not in visited]
        if not unvisited:
            trail.pop()
            continue
        chosen = unvisited[int(rng.integers(len(unvisited)))]
        passages.add((min(cell, chosen), max(cell, chosen)))
        visited.add(chosen)
        trail.append(chosen)
    return frozenset(passages)


class MazeEnv(DrawnEnv):
    """Walk from the top left cell to the bottom right one.

    The observation is the cell's number, size * y + x. Actions: 0 north, 1 south, 2 east, 3 west; a move into a wall
    stays. Reaching the goal gives +1 and ends the episode; every other step gives -0.1 / number of cells. Nothing is
    random after construction.

    Args:
        size: Cells per side.
        passages: Which neighbouring cells are connected.
    """

    metadata = {"render_modes": ["rgb_array", "ansi", "human"], "render_fps": 8}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(self, size: int, passages: Passages, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.size = size
        self.passages = passages
        self.goal = size * size - 1
        self.state = 0
        self.observation_space = spaces.Discrete(size * size)
        self.action_space = spaces.Discrete(4)
        self._step_reward = -0.1 / (size * size)
        self._successors = [[self._successor(cell, direction) for direction in range(4)] for cell in range(size * size)]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Go back to the start."""
        super().reset(seed=seed, options=options)
        self.state = 0
        if self.render_mode == "human":
            self.render()
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Move one cell, or stay where there is a wall."""
        if not 0 <= action <= 3:
            raise InvalidAction(f"a maze move is 0 north, 1 south, 2 east or 3 west, not {action!r}")
        self.state = self._successors[self.state][action]
        arrived = self.state == self.goal
        if self.render_mode == "human":
            self.render()
        return self.state, 1.0 if arrived else self._step_reward, arrived, False, {}

    def text(self) -> str:
        """Draw the maze in characters: A the agent, G the goal."""
        lines = ["+---" * self.size + "+"]
        for y in range(self.size):
            row = range(self.size * y, self.size * (y + 1))
            lines.append("|" + "".join(f" {self._mark(c)} {' ' if self.is_open(c, EAST) else '|'}" for c in row))
            lines.append("+" + "".join(f"{'   ' if self.is_open(c, SOUTH) else '---'}+" for c in row))
        return "\n".join(lines) + "\n"

    def picture(self) -> Image:
        """Draw the maze, some 480 pixels wide: the agent a disc, the goal a green cell."""
        side = max(480 // self.size, 8)
        wall = max(side // 24, 1)
        extent = self.size * side + 2 * wall
        image = canvas(extent, extent, PAPER)
        for cell, color in ((0, tint(BLUE, 0.15)), (self.goal, tint(GREEN, 0.55))):
            x, y = wall + side * (cell % self.size), wall + side * (cell // self.size)
            draw_rectangle(image, x, y, side, side, color)
        for cell in range(self.goal + 1):
            x, y = wall + side * (cell % self.size), wall + side * (cell // self.size)
            for direction in range(4):
                if not self.is_open(cell, direction):
                    _draw_wall(image, x, y, side, wall, direction)
        centre = wall + side * (self.state % self.size + 0.5), wall + side * (self.state // self.size + 0.5)
        draw_bar(image, centre, centre, 0.28 * side, BLUE)
        return image

    def is_open(self, cell: int, direction: int) -> bool:
        """Return whether a move from ``cell`` in a direction meets no wall."""
        return self._successors[cell][direction] != cell

    def _successor(self, cell: int, direction: int) -> int:
        other = neighbour(cell, direction, self.size)
        if other is None or (min(cell, other), max(cell, other)) not in self.passages:
            return cell
        return other

    def _mark(self, cell: int) -> str:
        return "A" if cell == self.state else "G" if cell == self.goal else " "


class SampleMazeEnv(MazeEnv):
    """One of the fixed sample mazes.

    Args:
        sample: ``"3x3"`` or ``"5x5"``.

    Raises:
        ValueError: No such sample.
    """

    def __init__(self, sample: str = "3x3", render_mode: str | None = None) -> None:
        if sample not in SAMPLES:
            raise ValueError(f"sample must be one of {', '.join(SAMPLES)}, not {sample!r}")
        masks = SAMPLES[sample]
        super().__init__(len(masks), decode_masks(masks), render_mode)


class RandomMazeEnv(MazeEnv):
    """A random perfect maze of any size. The layout depends on size and ``maze_seed`` alone, never on ``reset``.

    Args:
        size: Cells per side, at least 2.
        maze_seed: Which maze, at least 0.

    Raises:
        ValueError: ``size`` or ``maze_seed`` is not an integer or too small.
    """

    def __init__(self, size: int = 5, maze_seed: int = 0, render_mode: str | None = None) -> None:
        for name, value, least in (("size", size, 2), ("maze_seed", maze_seed, 0)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")
        super().__init__(size, carve_maze(size, maze_seed), render_mode)


def _draw_wall(image: Image, x: int, y: int, side: int, half: int, direction: int) -> None:
    """Draw a wall, 2 * half thick, along one side of the cell whose top left corner is (x, y)."""
    if direction in (NORTH, SOUTH):
        line = y + (side if direction == SOUTH else 0)
        draw_rectangle(image, x - half, line - half, side + 2 * half, 2 * half, INK)
    else:
        line = x + (side if direction == EAST else 0)
        draw_rectangle(image, line - half, y - half, 2 * half, side + 2 * half, INK)
