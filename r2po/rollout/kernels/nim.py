"""Nim: this project's ``NimEnv``."""

from __future__ import annotations

from r2po.envs import nim
from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats
from r2po.rollout.kernels.kernel import Kernel, observe_number
from r2po.rollout.random_numbers import Stream, draw_integer

_STICKS, _MOST = nim.STICKS, nim.MOST


@inlined
def _start(state: Floats, _stream: Stream, _constants: None) -> None:
    state[0] = _STICKS


@inlined
def _step(state: Floats, action: Floats, stream: Stream, _constants: None) -> tuple[float, bool]:
    if action[0] > state[0]:
        return -1.0, True
    sticks = int(state[0] - action[0])
    state[0] = sticks
    if sticks == 0:
        return -1.0, True
    answer = (sticks - 1) % 4
    if answer == 0:
        answer = draw_integer(stream, 1, min(_MOST, sticks) + 1)
    sticks -= answer
    state[0] = sticks
    return (1.0, True) if sticks == 0 else (0.0, False)


KERNEL = Kernel(1, lambda _: None, _start, _step, observe_number)
