"""The environment of the plugin: a point drifts, and a push to the left or to the right holds it near zero."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

EDGE = 2.0


class Drift(gymnasium.Env[dict[str, Any], np.int64]):
    """Tells drift, place and side of the point by name; ends when it is more than 2 from zero."""

    def __init__(self, step: float = 0.25) -> None:
        line = spaces.Box(-np.inf, np.inf, (1,), np.float64)
        self.observation_space = spaces.Dict({"place": line, "drift": line, "side": spaces.Discrete(2)})
        self.action_space = spaces.Discrete(2)
        self._step = step
        self._place = self._drift = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self._place, self._drift = self.np_random.uniform(-0.5, 0.5, 2)
        return self._seen(), {}

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        self._place += self._drift * 0.25 + (self._step if action else -self._step)
        self._drift += self.np_random.normal(0.0, 0.05)
        return self._seen(), float(1.0 - abs(self._place)), bool(abs(self._place) > EDGE), False, {}

    def _seen(self) -> dict[str, Any]:
        return {
            "place": np.array([self._place]),
            "drift": np.array([self._drift]),
            "side": np.int64(self._place > 0),
        }
