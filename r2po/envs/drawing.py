"""Pictures without dependencies: shapes on a numpy canvas, and an environment base class that shows them."""

from __future__ import annotations

from typing import Any, TypeAlias

import gymnasium
import numpy as np
from gymnasium import logger
from gymnasium.error import DependencyNotInstalled, UnsupportedMode
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
Color: TypeAlias = tuple[int, int, int]

INK: Color = (38, 50, 56)
PAPER: Color = (250, 250, 247)
BLUE: Color = (38, 110, 190)
RED: Color = (214, 84, 66)
GREEN: Color = (62, 150, 92)

# Digits on a grid 3 wide and 5 high, rows from the top.
_DIGITS = (
    ("###", "#.#", "#.#", "#.#", "###"),
    (".#.", "##.", ".#.", ".#.", "###"),
    ("###", "..#", "###", "#..", "###"),
    ("###", "..#", ".##", "..#", "###"),
    ("#.#", "#.#", "###", "..#", "..#"),
    ("###", "#..", "###", "..#", "###"),
    ("###", "#..", "###", "#.#", "###"),
    ("###", "..#", "..#", ".#.", ".#."),
    ("###", "#.#", "###", "#.#", "###"),
    ("###", "#.#", "###", "..#", "###"),
)


def canvas(width: int, height: int, color: Color) -> Image:
    """Return an image, (height, width, 3), of one colour."""
    return np.full((height, width, 3), color, dtype=np.uint8)


def tint(color: Color, strength: float, ground: Color = PAPER) -> Color:
    """Return ``color`` mixed into ``ground``; strength 1 is the colour itself."""
    red, green, blue = (round(strength * c + (1.0 - strength) * g) for c, g in zip(color, ground, strict=True))
    return red, green, blue


def draw_rectangle(image: Image, left: float, top: float, width: float, height: float, color: Color) -> None:
    """Fill a rectangle, in pixels, cut at the image's edges."""
    rows = slice(max(round(top), 0), max(round(top + height), 0))
    columns = slice(max(round(left), 0), max(round(left + width), 0))
    image[rows, columns] = color


def draw_bar(image: Image, start: tuple[float, float], end: tuple[float, float], radius: float, color: Color) -> None:
    """Fill everything within ``radius`` of the segment between two points (x, y), with smooth edges.

    A bar of no length is a disc.
    """
    left = max(int(min(start[0], end[0]) - radius) - 1, 0)
    top = max(int(min(start[1], end[1]) - radius) - 1, 0)
    right = int(max(start[0], end[0]) + radius) + 2
    bottom = int(max(start[1], end[1]) + radius) + 2
    patch = image[top:bottom, left:right]
    ys, xs = np.mgrid[top : top + patch.shape[0], left : left + patch.shape[1]] + 0.5
    along = (end[0] - start[0], end[1] - start[1])
    length2 = max(along[0] ** 2 + along[1] ** 2, 1e-12)
    position = np.clip(((xs - start[0]) * along[0] + (ys - start[1]) * along[1]) / length2, 0.0, 1.0)
    distance = np.hypot(xs - start[0] - position * along[0], ys - start[1] - position * along[1])
    coverage = np.clip(radius - distance + 0.5, 0.0, 1.0)[..., None]
    patch[:] = np.rint(coverage * np.array(color) + (1.0 - coverage) * patch).astype(np.uint8)


def draw_number(image: Image, number: int, centre: float, top: float, scale: int, color: Color) -> None:
    """Write a number of at least 0 in blocks of ``scale`` pixels, centred on the column ``centre``."""
    text = str(number)
    left = centre - scale * (4 * len(text) - 1) / 2
    for index, digit in enumerate(text):
        for row, line in enumerate(_DIGITS[int(digit)]):
            for column, mark in enumerate(line):
                if mark == "#":
                    x = left + scale * (4 * index + column)
                    draw_rectangle(image, x, top + scale * row, scale, scale, color)


class DrawnEnv(gymnasium.Env[Any, Any]):
    """An environment whose subclasses say only what it looks like: ``picture``, and ``text`` where there is one.

    Args:
        render_mode: None, or one of ``metadata["render_modes"]``: ``rgb_array``, ``human`` (a pygame window, shown at
            every reset and step), and for some environments ``ansi``.

    Raises:
        UnsupportedMode: Another render mode.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 30}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(self, render_mode: str | None = None) -> None:
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise UnsupportedMode(f"render_mode must be one of {', '.join(modes)} or None, not {render_mode!r}")
        self.render_mode = render_mode
        self._window: _Window | None = None

    def picture(self) -> Image:
        """Draw the present state as an image, (height, width, 3)."""
        raise NotImplementedError

    def text(self) -> str:
        """Draw the present state in characters."""
        raise NotImplementedError

    def render(self) -> Any:
        """Return an image or a text by render mode; with ``human``, show the image and return None."""
        if self.render_mode is None:
            logger.warn('nothing to render: choose a render mode, e.g. gymnasium.make(..., render_mode="rgb_array")')
            return None
        if self.render_mode == "ansi":
            return self.text()
        image = self.picture()
        if self.render_mode == "rgb_array":
            return image
        if self._window is None:
            self._window = _Window(image.shape[1], image.shape[0], type(self).__name__.removesuffix("Env"))
        self._window.show(image, self.metadata["render_fps"])
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None


class _Window:
    """A pygame window of a fixed size."""

    def __init__(self, width: int, height: int, title: str) -> None:
        try:
            import pygame
        except ImportError as error:
            raise DependencyNotInstalled(
                "render_mode 'human' needs pygame (pip install pygame); 'rgb_array' works without it"
            ) from error
        self._pygame = pygame
        pygame.display.init()
        pygame.display.set_caption(title)
        self._screen = pygame.display.set_mode((width, height))
        self._clock = pygame.time.Clock()

    def show(self, image: Image, frames_per_second: int) -> None:
        """Show the image, waiting so that frames follow each other at the given rate."""
        self._screen.blit(self._pygame.surfarray.make_surface(image.swapaxes(0, 1)), (0, 0))
        self._pygame.event.pump()
        self._clock.tick(frames_per_second)
        self._pygame.display.flip()

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()
