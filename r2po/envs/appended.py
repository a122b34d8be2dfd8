"""Observations that end with numbers read from the simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray


class Appended(gymnasium.ObservationWrapper[Any, Any, Any]):
    """An environment whose observation, a vector, is followed by further numbers, as they are at that moment.

    Rewards, ends and random numbers are those of the environment.

    Args:
        env: (d,) observations.
        read: Returns n numbers of an environment, without changing it.
        count: n.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], read: Callable[[gymnasium.Env[Any, Any]], Sequence[float]], count: int
    ) -> None:
        super().__init__(env)
        assert isinstance(env.observation_space, Box)
        self._read = read
        low, high = env.observation_space.low.astype(float), env.observation_space.high.astype(float)
        unbounded = np.full(count, np.inf)
        self.observation_space = Box(np.append(low, -unbounded), np.append(high, unbounded), dtype=np.float64)

    def observation(self, observation: NDArray[Any]) -> NDArray[np.float64]:
        """Return (d + n,) numbers, the observation first."""
        return np.append(np.asarray(observation, np.float64), self._read(self.env))
