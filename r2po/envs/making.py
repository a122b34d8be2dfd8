"""Makes environments, which imports their code: one at a time, and without a graphics library that is not there."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import gymnasium
from gymnasium.envs.registration import load_env_creator

from r2po.envs.extras import lacking
from r2po.errors import InputError

_importing = threading.RLock()
"""Threads that import the same packages at once see them half made, whatever the locks of Python's own import do."""

_GRAPHICS = "MUJOCO_GL"


def make(gym_id: str, **settings: Any) -> gymnasium.Env[Any, Any]:
    """Make an environment as ``gymnasium.make`` does, from any thread."""
    with _importing:
        creator_of(gym_id)
        return gymnasium.make(gym_id, disable_env_checker=True, **settings)


def creator_of(gym_id: str) -> Callable[..., Any] | None:
    """Import the code of a registered environment and return what makes it; None if its registration does not say.

    Raises:
        gymnasium.error.Error: The id is not registered.
        InputError: It needs an extra of this package that is not installed.
        Exception: Whatever that code raises when it is imported.
    """
    with _importing:
        problem = lacking(gym_id)
        if problem:
            raise InputError(problem)
        try:
            return _load(gym_id)
        except gymnasium.error.Error:
            raise
        except Exception:
            if _GRAPHICS not in os.environ or "mujoco" in sys.modules:
                raise
            return _load_without_graphics(gym_id)


def _load(gym_id: str) -> Callable[..., Any] | None:
    entry_point = gymnasium.spec(gym_id).entry_point
    return load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point


def _load_without_graphics(gym_id: str) -> Callable[..., Any] | None:
    """Import it once more with MuJoCo's graphics off: where nothing is drawn, its library need not be there."""
    wanted = os.environ[_GRAPHICS]
    os.environ[_GRAPHICS] = "disable"
    try:
        return _load(gym_id)
    finally:
        os.environ[_GRAPHICS] = wanted
