"""Environments that draw themselves, with or without a display."""

from __future__ import annotations

import os
import sys
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from r2po.errors import InputError
from r2po.experiment.setting import Setting


def make_rendered(setting: Setting, mode: str) -> gymnasium.Env[Any, Any]:
    """Return a new environment that draws itself, in a window (``human``) or as arrays (``rgb_array``).

    Raises:
        InputError: It cannot be drawn here.
    """
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        # Read by MuJoCo when it first renders: without a display only EGL can draw.
        os.environ.setdefault("MUJOCO_GL", "egl")
    if mode == "rgb_array":
        # Without this, pygame looks for a display that it does not need, and complains if there is none.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    try:
        return setting.make_environment(render_mode=mode)
    except Exception as error:  # noqa: BLE001 - each renderer has errors of its own
        raise _cannot_render(error, mode) from None


def picture(environment: gymnasium.Env[Any, Any]) -> NDArray[np.uint8] | None:
    """Return what an environment draws of its state; None if it draws into a window.

    Raises:
        InputError: It cannot be drawn here.
    """
    try:
        drawn = environment.render()
    except Exception as error:  # noqa: BLE001 - each renderer has errors of its own
        raise _cannot_render(error, environment.render_mode) from None
    return drawn if isinstance(drawn, np.ndarray) else None


def _cannot_render(error: Exception, mode: str | None) -> InputError:
    instead = "use --output best.gif; " if mode == "human" else ""
    return InputError(
        f"cannot render here: {' '.join(str(error).split())[:200]}; without a display {instead}"
        "MuJoCo draws with EGL (Debian: libegl1 libgl1) or, with MUJOCO_GL=osmesa, OSMesa (libosmesa6)"
    )
