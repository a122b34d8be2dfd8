"""An environment that is made anew for each episode, for those in which an episode depends on earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium

LARGEST_SEED = 2**31


class Remade(gymnasium.Env[Any, Any]):
    """Resets by closing the environment and making another one.

    An episode is that of a new environment with its seed. Without one, the seed is drawn from the generator that the
    last seed began, so that a first seed decides all episodes.

    Args:
        make: Makes the environment.
    """

    def __init__(self, make: Callable[[], gymnasium.Env[Any, Any]]) -> None:
        self._make = make
        self._current = make()
        self.observation_space, self.action_space = self._current.observation_space, self._current.action_space
        self.metadata, self.render_mode, self.spec = (
            self._current.metadata,
            self._current.render_mode,
            self._current.spec,
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Make another environment and reset that."""
        super().reset(seed=seed)
        self._current.close()
        self._current = self._make()
        own = int(self.np_random.integers(LARGEST_SEED)) if seed is None else seed
        return self._current.reset(seed=own, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the environment of this episode."""
        return self._current.step(action)

    def render(self) -> Any:
        """Draw the environment of this episode."""
        return self._current.render()

    def close(self) -> None:
        """Close the environment of this episode."""
        self._current.close()
