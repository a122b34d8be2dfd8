"""Nim: ten sticks, take one to three, whoever takes the last one loses."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from gymnasium.error import InvalidAction

from r2po.envs.drawing import BLUE, INK, PAPER, RED, DrawnEnv, Image, canvas, draw_bar, draw_number, tint

STICKS = 10
MOST = 3
_WOOD = (176, 122, 66)


class NimEnv(DrawnEnv):
    """Misere Nim against an opponent that wins wherever it can.

    The observation is the number of sticks left, 0 to 10, when the agent is to move; the actions are the numbers 1, 2
    and 3 themselves. The agent moves first. Taking more sticks than are left loses at once. The opponent, with s
    sticks before it, takes (s - 1) mod 4, which leaves the agent a lost position; where that is 0, it is lost itself
    and takes a uniformly random legal number. Reward: +1 when the opponent takes the last stick, -1 when the agent
    loses, else 0.
    """

    metadata = {"render_modes": ["rgb_array", "ansi", "human"], "render_fps": 2}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = spaces.Discrete(STICKS + 1)
        self.action_space = spaces.Discrete(MOST, start=1)
        self.sticks = STICKS
        self.taken: list[int] = []
        """What was taken so far, the agent's moves and the opponent's in turn."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Lay out ten sticks."""
        super().reset(seed=seed, options=options)
        self.sticks = STICKS
        self.taken = []
        if self.render_mode == "human":
            self.render()
        return STICKS, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Take ``action`` sticks and let the opponent answer."""
        if not 1 <= action <= MOST:
            raise InvalidAction(f"a Nim move is 1, 2 or 3, not {action!r}")
        reward, over = self._play(int(action))
        if self.render_mode == "human":
            self.render()
        return self.sticks, reward, over, False, {}

    def text(self) -> str:
        """Draw the sticks in characters."""
        return f"{self.sticks:2d} sticks: {'|' * self.sticks}{'.' * (STICKS - self.sticks)}\n"

    def picture(self) -> Image:
        """Draw the sticks left, and as shadows those taken: blue by the agent, red by the opponent."""
        width, height, gap = 560, 400, 50
        image = canvas(width, height, PAPER)
        takers = [color for turn, count in enumerate(self.taken) for color in [(BLUE, RED)[turn % 2]] * count]
        colors = [_WOOD] * self.sticks + [tint(color, 0.3) for color in reversed(takers)]
        for index, color in enumerate(colors):
            x = width / 2 + gap * (index - (STICKS - 1) / 2)
            draw_bar(image, (x, 150), (x, 340), 10, color)
        draw_number(image, self.sticks, width / 2, 40, 12, INK)
        return image

    def _play(self, action: int) -> tuple[float, bool]:
        """Make both moves; return the agent's reward and whether the game is over."""
        if action > self.sticks:
            return -1.0, True
        self._take(action)
        if self.sticks == 0:
            return -1.0, True
        winning = (self.sticks - 1) % 4
        self._take(winning or int(self.np_random.integers(1, min(MOST, self.sticks) + 1)))
        if self.sticks == 0:
            return 1.0, True
        return 0.0, False

    def _take(self, count: int) -> None:
        self.sticks -= count
        self.taken.append(count)
