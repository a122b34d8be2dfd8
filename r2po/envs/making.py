"""Makes environments, which imports their code: one at a time, and without a graphics library that is not there.

Only here is an id handed to Gymnasium, which imports and runs the module of an id ``module:Id``. A module that the user
has not let run is refused.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from r2po.envs.extras import lacking, module_of
from r2po.errors import InputError
from r2po.plugins import import_for_id

_importing = threading.RLock()
"""Threads that import the same packages at once see them half made, whatever the locks of Python's own import do."""

_GRAPHICS = "MUJOCO_GL"


def make(gym_id: str, **settings: Any) -> gymnasium.Env[Any, Any]:
    """Make an environment as ``gymnasium.make`` does, from any thread; it is not checked unless ``settings`` say so."""
    registered = registered_id(gym_id)
    with _importing:
        creator_of(registered)
        return gymnasium.make(registered, **{"disable_env_checker": True, **settings})


def spec(gym_id: str) -> EnvSpec:
    """Return the registration of an environment.

    Raises:
        gymnasium.error.Error: The id is not registered.
        InputError: Its module may not be imported, or cannot.
    """
    return gymnasium.spec(registered_id(gym_id))


def modules_of(gym_id: str) -> set[str]:
    """Return the top-level modules that the code of an environment is known to be in and to need.

    Raises:
        gymnasium.error.Error: The id is not registered.
        InputError: Its module may not be imported, or cannot.
    """
    entry_point = spec(gym_id).entry_point
    if not isinstance(entry_point, str):
        return {entry_point.__module__.partition(".")[0]} if entry_point is not None else set()
    return {entry_point.partition(":")[0].partition(".")[0], module_of(entry_point)} - {""}


def registered_id(gym_id: str) -> str:
    """Return an id without its module, which is imported so that it registers the environment.

    Raises:
        InputError: The module is neither named by the user nor installed as a plugin, or it does not import.
    """
    module, colon, name = gym_id.partition(":")
    if not colon:
        return gym_id
    if ":" in name or not name:
        raise InputError(f"unknown environment {gym_id!r}: expected an id that is registered, or module:Id")
    import_for_id(module, gym_id)
    return name


def creator_of(gym_id: str) -> Callable[..., Any] | None:
    """Import the code of a registered environment and return what makes it; None if its registration does not say.

    Raises:
        gymnasium.error.Error: The id is not registered.
        InputError: It needs an extra of this package that is not installed, or its module may not be imported.
        Exception: Whatever that code raises when it is imported.
    """
    gym_id = registered_id(gym_id)
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
