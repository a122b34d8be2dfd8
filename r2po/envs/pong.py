"""Pong against a paddle that follows the ball."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction
from numpy.typing import NDArray

from r2po.envs.drawing import BLUE, INK, PAPER, RED, DrawnEnv, Image, canvas, draw_number, draw_rectangle, tint

# All lengths in pixels; speeds in pixels per step. x grows to the right, y downward.
WIDTH, HEIGHT = 800, 600
PADDLE_WIDTH, PADDLE_HEIGHT = 10, 80
BALL = 10
SPEED = 5.0
LOWEST_PADDLE = HEIGHT - PADDLE_HEIGHT
UP, DOWN, STAY = range(3)


class PongEnv(DrawnEnv):
    """Return the ball with the left paddle as often as possible.

    Observation, float32: the centre y of the own (left) paddle, the ball's x and y (its top left corner), and the
    ball's velocity dx and dy. Actions: 0 up, 1 down, 2 stay. Each return by the own paddle gives +1; the episode ends
    when the ball leaves the field on either side. The ball is reflected where it is, not put back into the field, so
    its y can lie a step outside. (Where the ball creeps along the bottom wall and both paddles hit it there, its y can
    pass 600, the end of the observation space, by less than a step. Play hardly ever gets there.)
    """

    own_y: float  # top edges of the paddles
    opponent_y: float
    ball_x: float  # top left corner of the ball
    ball_y: float
    ball_dx: float
    ball_dy: float
    own_hits: int
    opponent_hits: int

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        # Lowest and highest paddle centre, ball x, ball y, ball dx, ball dy.
        self.observation_space = spaces.Box(
            np.array([40, -5, -10, -5, -5], dtype=np.float32), np.array([560, 795, 600, 5, 5], dtype=np.float32)
        )
        self.action_space = spaces.Discrete(3)
        self._start(dx=SPEED, dy=0.0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Centre the paddles and serve the ball from the middle, to a random side at a random slope."""
        super().reset(seed=seed, options=options)
        dx = float(self.np_random.choice([-5, 5]))
        dy = float(self.np_random.uniform(-5, 5))
        self._start(dx, dy)
        if self.render_mode == "human":
            self.render()
        return self._observation(), {}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move the own paddle, the opponent and the ball, in this order, then reflect the ball."""
        if not 0 <= action <= 2:
            raise InvalidAction(f"a Pong move is 0 up, 1 down or 2 stay, not {action!r}")
        if action != STAY:
            self.own_y = slide(self.own_y, action == DOWN)
        self.opponent_y = slide(self.opponent_y, self.opponent_y + PADDLE_HEIGHT / 2 < self.ball_y)
        self.ball_x += self.ball_dx
        self.ball_y += self.ball_dy
        if self.ball_y <= 0 or self.ball_y >= HEIGHT - BALL:
            self.ball_dy = -self.ball_dy
        reward = self._hit()
        terminated = self.ball_x < 0 or self.ball_x > WIDTH - BALL
        if self.render_mode == "human":
            self.render()
        return self._observation(), reward, terminated, False, {}

    def picture(self) -> Image:
        """Draw the field at three quarters of its size, with the number of returns on each side."""
        scale = 0.75
        image = canvas(int(WIDTH * scale), int(HEIGHT * scale), INK)
        line, number = tint(PAPER, 0.25, INK), tint(PAPER, 0.4, INK)
        for y in range(6, image.shape[0], 30):
            draw_rectangle(image, image.shape[1] / 2 - 2, y, 4, 18, line)
        draw_number(image, self.own_hits, image.shape[1] * 0.25, 30, 10, number)
        draw_number(image, self.opponent_hits, image.shape[1] * 0.75, 30, 10, number)
        paddle = scale * PADDLE_WIDTH, scale * PADDLE_HEIGHT
        draw_rectangle(image, 0, scale * self.own_y, *paddle, tint(BLUE, 0.7))
        draw_rectangle(image, scale * (WIDTH - PADDLE_WIDTH), scale * self.opponent_y, *paddle, RED)
        draw_rectangle(image, scale * self.ball_x, scale * self.ball_y, scale * BALL, scale * BALL, PAPER)
        return image

    def _start(self, dx: float, dy: float) -> None:
        self.own_y = self.opponent_y = LOWEST_PADDLE / 2
        self.ball_x, self.ball_y = WIDTH / 2, HEIGHT / 2
        self.ball_dx, self.ball_dy = dx, dy
        self.own_hits = self.opponent_hits = 0

    def _hit(self) -> float:
        """Reflect the ball off a paddle that it touches; return the reward."""
        if self.ball_dx < 0:
            if self.ball_x <= PADDLE_WIDTH and self._reflect(self.own_y):
                self.own_hits += 1
                return 1.0
        elif self.ball_x >= WIDTH - PADDLE_WIDTH - BALL and self._reflect(self.opponent_y):
            self.opponent_hits += 1
        return 0.0

    def _reflect(self, paddle_y: float) -> bool:
        """Send the ball back if it is level with the paddle, the steeper the further from the paddle's centre."""
        if not paddle_y <= self.ball_y <= paddle_y + PADDLE_HEIGHT:
            return False
        self.ball_dx = -self.ball_dx
        self.ball_dy = SPEED * (2 * (self.ball_y - paddle_y) / PADDLE_HEIGHT - 1)
        return True

    def _observation(self) -> NDArray[np.float32]:
        centre = self.own_y + PADDLE_HEIGHT / 2
        return np.array((centre, self.ball_x, self.ball_y, self.ball_dx, self.ball_dy), dtype=np.float32)


def slide(paddle_y: float, down: bool) -> float:
    """Move a paddle by one step and keep it inside the field."""
    return min(paddle_y + SPEED, LOWEST_PADDLE) if down else max(paddle_y - SPEED, 0.0)
