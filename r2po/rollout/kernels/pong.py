"""Pong: this project's ``PongEnv``."""

from __future__ import annotations

import numpy as np

from r2po.envs import pong
from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats
from r2po.rollout.kernels.kernel import Kernel
from r2po.rollout.random_numbers import Stream, draw_integer, draw_uniform

OWN, OPPONENT, X, Y, DX, DY = range(6)

_WIDTH, _HEIGHT, _BALL, _SPEED = float(pong.WIDTH), float(pong.HEIGHT), float(pong.BALL), pong.SPEED
_PADDLE_WIDTH, _PADDLE_HEIGHT, _LOWEST = float(pong.PADDLE_WIDTH), float(pong.PADDLE_HEIGHT), float(pong.LOWEST_PADDLE)
_DOWN, _STAY = float(pong.DOWN), float(pong.STAY)
_slide = inlined(pong.slide)


@inlined
def _start(state: Floats, stream: Stream, _constants: None) -> None:
    state[DX] = _SPEED if draw_integer(stream, 0, 2) == 1 else -_SPEED
    state[DY] = draw_uniform(stream, -5.0, 5.0)
    state[OWN] = state[OPPONENT] = _LOWEST / 2
    state[X], state[Y] = _WIDTH / 2, _HEIGHT / 2


@inlined
def _step(state: Floats, action: Floats, _stream: Stream, _constants: None) -> tuple[float, bool]:
    if action[0] != _STAY:
        state[OWN] = _slide(state[OWN], action[0] == _DOWN)
    state[OPPONENT] = _slide(state[OPPONENT], state[OPPONENT] + _PADDLE_HEIGHT / 2 < state[Y])
    state[X] += state[DX]
    state[Y] += state[DY]
    if state[Y] <= 0.0 or state[Y] >= _HEIGHT - _BALL:
        state[DY] = -state[DY]
    reward = 0.0
    if state[DX] < 0.0:
        if state[X] <= _PADDLE_WIDTH and _reflect(state, state[OWN]):
            reward = 1.0
    elif state[X] >= _WIDTH - _PADDLE_WIDTH - _BALL:
        _reflect(state, state[OPPONENT])
    return reward, state[X] < 0.0 or state[X] > _WIDTH - _BALL


@inlined
def _reflect(state: Floats, paddle: float) -> bool:
    """Send the ball back if it is level with the paddle."""
    if not paddle <= state[Y] <= paddle + _PADDLE_HEIGHT:
        return False
    state[DX] = -state[DX]
    state[DY] = _SPEED * (2 * (state[Y] - paddle) / _PADDLE_HEIGHT - 1)
    return True


@inlined
def _observe(state: Floats, observation: Floats) -> None:
    observation[0] = np.float32(state[OWN] + _PADDLE_HEIGHT / 2)
    for index in range(X, DY + 1):
        observation[index - 1] = np.float32(state[index])


KERNEL = Kernel(6, lambda _: None, _start, _step, _observe)
