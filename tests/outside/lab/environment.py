"""The environment of the plugin: a point drifts, and a push to the left or to the right holds it near zero."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

EDGE = 2.0


class Drift(gymnasium.Env[NDArray[np.float64], np.int64]):
    """Ends when the point is more than 2 from zero."""

    def __init__(self, step: float = 0.25) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = spaces.Discrete(2)
        self._step = step
        self._state: NDArray[np.float64] = np.zeros(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        super().reset(seed=seed)
        self._state = self.np_random.uniform(-0.5, 0.5, 2)
        return self._state.copy(), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        place, drift = self._state
        place += drift * 0.25 + (self._step if action else -self._step)
        self._state = np.array([place, drift + self.np_random.normal(0.0, 0.05)])
        return self._state.copy(), 1.0 - abs(float(place)), bool(abs(place) > EDGE), False, {}
