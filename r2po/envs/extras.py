"""Environments whose packages are not installed by default: which extra brings them."""

from __future__ import annotations

import importlib.util

import gymnasium

from r2po.installation import install

EXTRAS: dict[str, tuple[str, str]] = {
    "gymnasium.envs.box2d": ("box2d", "Box2D"),
    "r2po.envs.metaworld": ("robotics", "metaworld"),
    "r2po.envs.point_maze": ("robotics", "gymnasium_robotics"),
}
"""By the package or module of an environment's entry point: the extra, and a module that it must have brought."""


def module_of(entry_point: str) -> str:
    """Return the module that an extra must have brought for an entry point; "" if it needs none."""
    needed = (
        module for package, (_, module) in EXTRAS.items() if entry_point.startswith((f"{package}:", f"{package}."))
    )
    return next(needed, "")


def lacking(gym_id: str) -> str:
    """Return in one line what is not installed that an environment needs; "" if nothing is known to be missing.

    Raises:
        gymnasium.error.Error: The id is not registered.
    """
    entry_point = gymnasium.spec(gym_id).entry_point
    if not isinstance(entry_point, str):
        return ""
    for package, (extra, module) in EXTRAS.items():
        if entry_point.startswith((f"{package}:", f"{package}.")) and importlib.util.find_spec(module) is None:
            return f"{gym_id} needs {module}, which is not installed: {install(extra)}"
    return ""
